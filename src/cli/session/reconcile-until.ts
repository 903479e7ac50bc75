/** Reconciles one object again and again, as a controller's queue would, until it is where the command wants it. */

import { setTimeout as delay } from 'node:timers/promises';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { formatKey } from '../../apimachinery/object-key.ts';
import { TerminalError, TransientError } from '../../errors.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import { formatSeconds } from '../../system/duration.ts';
import { traced } from '../../telemetry/spans.ts';

export interface ConvergeOptions {
  readonly reconcile: (key: ObjectKey) => Promise<Result>;
  /** Checked after each reconcile. */
  readonly isDone: () => Promise<boolean>;
  /** Time for all of it, milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** What is still missing, for who has waited in vain. */
  readonly missing?: () => Promise<string | undefined>;
  /** Called when a TransientError error is waited out. */
  readonly onRetry: (error: TransientError) => void;
  /** True for a TransientError of which the person has to know at once. Absent: of none. */
  readonly isFinal?: (error: TransientError) => boolean;
  /** What is said when the time is over. Default: that a machine was not ready. */
  readonly late?: { readonly what: string; readonly fix: string };
}

/** A person waits: slow controller intervals are shortened to this. */
const LONGEST_PAUSE_MS = 3_000;
/** How often a command tries again what may pass by itself, before it gives up. */
const TRIES = 3;

/** Throws TerminalError errors, TransientError ones that do not pass, WaitTimeout, Interrupted. */
export async function reconcileUntil(key: ObjectKey, options: ConvergeOptions): Promise<void> {
  const deadline = performance.now() + options.timeoutMs;
  let failures = 0;
  for (;;) {
    if (options.signal.aborted) throw interrupted(key);
    let pause = LONGEST_PAUSE_MS;
    try {
      const { requeueAfterMs } = await traced('reconcile', { object: formatKey(key) }, () =>
        options.reconcile(key),
      );
      if (await options.isDone()) return;
      failures = 0;
      pause = Math.min(requeueAfterMs ?? pause, pause);
    } catch (error) {
      if (!(error instanceof TransientError) || options.isFinal?.(error) || ++failures >= TRIES) throw error;
      if (error.code !== 'Conflict') options.onRetry(error);
      pause = Math.min(error.retryAfterMs, pause);
    }
    if (performance.now() + pause > deadline) throw waitTimeout(key, options, await options.missing?.());
    await delay(pause, undefined, { signal: options.signal }).catch(() => {});
  }
}

function interrupted(key: ObjectKey): TerminalError {
  return new TerminalError({
    code: 'Interrupted',
    message: `${key.name}: interrupted; the running operation has ended`,
    fix: 'run the same command again to continue',
  });
}

function waitTimeout(
  { name }: ObjectKey,
  { timeoutMs, late }: ConvergeOptions,
  missing: string | undefined,
): TerminalError {
  const { what, fix } = late ?? {
    what: `${name} was not ready`,
    fix: `see why: caplv describe machine ${name}; a longer time: --wait=10m`,
  };
  return new TerminalError({
    code: 'WaitTimeout',
    message: `${what} within ${formatSeconds(timeoutMs)}${missing ? `: ${missing}` : ''}`,
    fix,
  });
}
