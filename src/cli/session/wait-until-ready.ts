/** Waits until a controller has made of an object what its manifest says, and says what changes on the way. */

import type { Condition } from '../../apimachinery/conditions.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import type { Store } from '../../store/store.ts';
import type { Streams } from '../output/streams.ts';
import { keyOf, kindOf } from './manifests.ts';
import { waitForObject } from './watch-until.ts';

type Conditioned = { readonly status?: { conditions?: Condition[] } } | undefined;

interface Waiting {
  readonly terminal: Streams;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** Throws Streams WaitTimeout or Interrupted. */
export async function waitUntilReady(
  store: Store,
  object: KubeObject,
  { terminal, signal, timeoutMs }: Waiting,
): Promise<void> {
  const kind = kindOf(object);
  const name = `${kind.singular}/${object.metadata.name}`;
  let said = '';
  const isDone = (now: KubeObject | undefined) => {
    const ready = findCondition(now as Conditioned, 'Ready');
    if (!ready) return false;
    const isReady = (ready.status === 'True' || isStoppedOnPurpose(now)) && hasObserved(now);
    const text =
      ready.status === 'True' && isReady ? 'ready' : [ready.reason, ready.message].filter(Boolean).join(': ');
    if (text !== said && (isReady || ready.status !== 'True')) terminal.say(`${name}  ${text}`);
    said = text;
    return isReady;
  };
  await waitForObject(store, kind, keyOf(object), { isDone, timeoutMs, signal, what: 'was not ready' });
}

/** True for a machine that a person has stopped: it is not going to be ready by itself. */
export function isStoppedOnPurpose(object: Pick<KubeObject, 'status'> | undefined): boolean {
  return findCondition(object as Conditioned, 'Ready')?.reason === 'Stopped';
}

/** True if the status speaks of the object as it is now. */
function hasObserved(object: KubeObject | undefined): boolean {
  const { observedGeneration = 0 } = (object?.status ?? {}) as { readonly observedGeneration?: number };
  return observedGeneration >= (object?.metadata.generation ?? 0);
}
