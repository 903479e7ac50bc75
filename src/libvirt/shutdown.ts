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
  /** Why the last request failed, for example a paused guest. */
  readonly error?: LibvirtError | undefined;
}

/** Repeats the request (an ACPI event), which a guest that is still booting loses. */
const REPEAT_MS = 3_000;

/** Powers the domain off. No error if it is off or gone. */
export async function powerOffDomain(virsh: Virsh, name: string): Promise<void> {
  const found = await findDomain(virsh, name);
  if (found === undefined) return;
  const [destroyed, state] = (await virsh.batch([
    ['destroy', `--domain=${found.uuid}`],
    ['domstate', `--domain=${found.uuid}`],
  ])) as [Answer, Answer];
  // It may have been off already: only the outcome counts.
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
  // Events only shorten the pauses; the answers of libvirt decide.
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

/** Asks the agent without waiting: libvirt waits up to a minute for its answer. Fails at once without an agent. */
function askAgent(virsh: Virsh, uuid: string, signal: AbortSignal): void {
  virsh.run(['shutdown', `--domain=${uuid}`, '--mode=agent'], { signal }).catch(() => undefined);
}

async function listen(virsh: Virsh, name: string, signal: AbortSignal, onStopped: () => void): Promise<void> {
  for await (const event of domainEvents(virsh, signal)) {
    if (event.kind === 'lifecycle' && event.domain === name && event.change === 'stopped') onStopped();
  }
}
