/** Shuts down and powers off domains. */

import { setTimeout as sleep } from 'node:timers/promises';
import { findDomain } from './domain-query.ts';
import { domainEvents } from './events.ts';
import type { LibvirtError } from './libvirt-error.ts';
import type { Answer, Virsh } from './virsh.ts';

export interface ShutdownOptions {
  /** How long the guest gets. */
  readonly timeoutMs: number;
  /** Stops waiting; the guest may still shut down. The call then throws the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ShutdownProgress) => void;
}

export interface ShutdownProgress {
  /** Requests sent so far. */
  readonly requests: number;
  readonly elapsedMs: number;
  /** What the last request met with, for example a paused guest. */
  readonly error?: LibvirtError | undefined;
}

/** A guest that is still booting loses the request (an ACPI event), so it is repeated. */
const REPEAT_MS = 3_000;

/** Pulls the plug. No error if it is off or gone. */
export async function powerOffDomain(virsh: Virsh, name: string): Promise<void> {
  const found = await findDomain(virsh, name);
  if (found === undefined) return;
  const [destroyed, state] = (await virsh.batch([
    ['destroy', `--domain=${found.uuid}`],
    ['domstate', `--domain=${found.uuid}`],
  ])) as [Answer, Answer];
  // The outcome counts: it may have been off already.
  if (destroyed.error && !state.error && state.text.trim() !== 'shut off') throw destroyed.error;
}

/**
 * Asks the guest to shut down, by ACPI power button and, where there is one, by its agent. Returns `off` as soon as it is
 * off or gone, at once if it already was; `timeout` when it is still on at the end. Throws LibvirtError when libvirt fails.
 */
export async function shutdownDomain(
  virsh: Virsh,
  name: string,
  options: ShutdownOptions,
): Promise<'off' | 'timeout'> {
  const { timeoutMs, signal, onProgress } = options;
  const found = await findDomain(virsh, name, { signal });
  if (found === undefined) return 'off';
  const over = new AbortController();
  const stop = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
  // Events only end the pauses early; the answers of libvirt decide.
  let wake = () => {};
  const listening = listen(virsh, name, stop, () => wake());
  const startedAt = performance.now();
  try {
    for (let requests = 1; ; requests++) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const { off, error } = await request(virsh, found.uuid, signal);
      if (off) return 'off';
      if (requests === 1) askAgent(virsh, found.uuid, stop);
      const elapsedMs = performance.now() - startedAt;
      onProgress?.({ requests, elapsedMs, error });
      if (elapsedMs >= timeoutMs) return 'timeout';
      const pause = Math.min(REPEAT_MS, timeoutMs - elapsedMs);
      await Promise.race([woken, sleep(pause, undefined, { signal: stop }).catch(() => undefined)]);
      signal?.throwIfAborted();
    }
  } finally {
    over.abort();
    await listening;
  }
}

async function request(
  virsh: Virsh,
  uuid: string,
  signal: AbortSignal | undefined,
): Promise<{ off: boolean; error?: LibvirtError | undefined }> {
  const domain = `--domain=${uuid}`;
  const [state, asked] = (await virsh.batch(
    [
      ['domstate', domain],
      ['shutdown', domain, '--mode=acpi'],
    ],
    { signal },
  )) as [Answer, Answer];
  if (state.error?.code === 'notFound' || state.text.trim() === 'shut off') return { off: true };
  if (state.error) throw state.error;
  return { off: false, error: asked.error };
}

/** libvirt waits up to a minute for the agent to have done it, so nobody waits for this; without an agent it fails at once. */
function askAgent(virsh: Virsh, uuid: string, signal: AbortSignal): void {
  virsh.run(['shutdown', `--domain=${uuid}`, '--mode=agent'], { signal }).catch(() => undefined);
}

async function listen(virsh: Virsh, name: string, signal: AbortSignal, onStopped: () => void): Promise<void> {
  for await (const event of domainEvents(virsh, signal)) {
    if (event.kind === 'lifecycle' && event.domain === name && event.change === 'stopped') onStopped();
  }
}
