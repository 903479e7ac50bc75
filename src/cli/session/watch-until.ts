/** Waits for an object that a controller works on, by a watch: until it is as wanted, or the time is over. */

import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { formatSeconds } from '../../system/duration.ts';

export interface AwaitOptions<T extends KubeObject> {
  /** Undefined: the object is gone. Throw to give up. */
  readonly isDone: (object: T | undefined) => boolean;
  readonly timeoutMs: number;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
  /** What was waited for, after the name: `was not ready`. */
  readonly what: string;
}

/** Throws TerminalError WaitTimeout or Interrupted, and what `isDone` throws. */
export async function waitForObject<T extends KubeObject>(
  store: Store,
  kind: ResourceKind<T>,
  key: ObjectKey,
  { isDone, timeoutMs, signal, what }: AwaitOptions<T>,
): Promise<void> {
  const stop = new AbortController();
  const late = AbortSignal.timeout(timeoutMs);
  const all = AbortSignal.any([signal, late, stop.signal]);
  let seen = false;
  try {
    for await (const event of store.watch(kind, { namespace: key.namespace, signal: all })) {
      if (event.type === 'SYNCED') {
        if (!seen && isDone(undefined)) return;
        continue;
      }
      if (event.object.metadata.name !== key.name) continue;
      seen = event.type !== 'DELETED';
      if (isDone(seen ? event.object : undefined)) return;
    }
  } finally {
    stop.abort();
  }
  if (signal.aborted) {
    throw new TerminalError({
      code: 'Interrupted',
      message: `${key.name}: interrupted; the controller continues`,
      fix: `check it with: caplv get ${kind.plural} ${key.name}`,
    });
  }
  throw new TerminalError({
    code: 'WaitTimeout',
    message: `${key.name} ${what} within ${formatSeconds(timeoutMs)}`,
    fix: `see why: caplv describe ${kind.kind.toLowerCase()} ${key.name} --namespace ${key.namespace}`,
  });
}
