/** Runs Terraform under a watchdog, which ends a provider that hangs. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LockHolder } from '../system/lock-holder.ts';
import { traced, tracedSince } from '../telemetry/spans.ts';
import type { Call } from './call.ts';
import { holderFromLockInfo } from './format/lock-info.ts';
import type { Launcher } from './launcher.ts';
import { ForkedProvider } from './provider/forked.ts';
import type { ProviderProcess } from './provider/process.ts';
import { CONNECTED, Watchdog } from './provider/watchdog.ts';
import type { RunOutcome } from './run/process.ts';
import { RunEvents } from './run-events.ts';
import type { Workspace } from './workspace.ts';

/** How long the provider may take before it counts as hung, and is ended. */
export interface ProviderPatience {
  /** To connect to libvirt, or to read one resource. Default 20 s. */
  readonly providerTimeoutMs?: number;
  /** To make a volume without any input or output. Default one minute. */
  readonly providerStallMs?: number;
  /** To remove one resource. Default five minutes. */
  readonly providerDeleteMs?: number;
}

export interface WatchedOutcome {
  readonly outcome: RunOutcome;
  /** What the provider was about when it no longer answered, and was ended. */
  readonly hungAt: string | undefined;
}

/** Time for an answer that takes milliseconds, or a second on a slow link. */
export const PROVIDER_TIMEOUT_MS = 20_000;

/** A server of images may pause. */
const PROVIDER_STALL_MS = 60_000;

/** Libvirt waits at most 40 s for a QEMU to end; the rest is for storage that is slow. */
const PROVIDER_DELETE_MS = 300_000;

/** Runs terraform once, and ends a provider that does not come to an end. `host`: the warm one; undefined: terraform starts its own. */
export async function watchedRun(
  launcher: Launcher,
  patience: ProviderPatience,
  call: Call,
  host: ProviderProcess | undefined,
): Promise<WatchedOutcome> {
  const entry = await host?.enter();
  const events = new RunEvents();
  let terraform: number | undefined;
  let hungAt: string | undefined;
  const provider = host ?? new ForkedProvider(() => terraform);
  const watchdog = new Watchdog({
    limitMs: patience.providerTimeoutMs ?? PROVIDER_TIMEOUT_MS,
    applies: call.verb !== 'plan',
    lockTimeoutMs: call.lockTimeoutMs,
    stallMs: patience.providerStallMs ?? PROVIDER_STALL_MS,
    deleteMs: patience.providerDeleteMs ?? PROVIDER_DELETE_MS,
    activity: () => provider.activity,
    onHung: (what) => {
      hungAt = what;
      provider.kill();
    },
  });
  try {
    const outcome = await traced(`terraform ${call.verb}`, {}, () =>
      launcher.run(call.verb, call, host, {
        args: call.args,
        onStart: async (pid) => {
          terraform = pid;
        },
        onMessage: (message) => {
          watchdog.see(message);
          if (CONNECTED.has(message.type)) entry?.configured();
          if (message.type === 'state_lock_acquire') void announceStateLock(call);
          const event = events.from(message);
          if (event !== undefined) call.onEvent(event);
          if (event?.type === 'completed' || event?.type === 'failed') {
            tracedSince(`${event.action} ${event.address}`, event.elapsedMs);
          }
        },
      }),
    );
    return { outcome, hungAt };
  } finally {
    watchdog.stop();
    entry?.leave();
  }
}

/** Terraform itself says only that it waits; who holds the lock stands in a file beside a local state, or in a Lease. */
async function announceStateLock({ workspace, onEvent }: Call): Promise<void> {
  onEvent({ type: 'waiting', holder: await stateLockHolder(workspace) });
}

async function stateLockHolder({ dir, kubernetes }: Workspace): Promise<LockHolder> {
  const file = join(dir, '.terraform.tfstate.lock.info');
  const read = kubernetes ? kubernetes.readLock() : readFile(file, 'utf8');
  return holderFromLockInfo(await read.catch(() => ''));
}
