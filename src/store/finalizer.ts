/**
 * Finalizers of an object, replaced as a whole. Not by server-side apply: that only takes away what nobody but the same field
 * manager gave, and after an export and apply, `kubectl edit`, a restored backup or `clusterctl move` a finalizer is someone
 * else's, too.
 */

import type { KubeObject, ObjectKey, ResourceKind } from '../apimachinery/object.ts';
import { CaplvError } from '../errors.ts';
import type { Store, WriteOptions } from './store.ts';

/** How often a change by others, in the moment between reading and writing, is read again at once. */
const TRIES = 5;

export function hasFinalizer(object: KubeObject, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) ?? false;
}

/** Before anything is made that would have to be cleaned up. Returns the object with it; undefined if it is gone. */
export async function addFinalizer<T extends KubeObject>(
  store: Pick<Store, 'setFinalizers'>,
  kind: ResourceKind<T>,
  object: T,
  finalizer: string,
  options: WriteOptions,
): Promise<T | undefined> {
  if (hasFinalizer(object, finalizer)) return object;
  return store.setFinalizers(kind, object, [...(object.metadata.finalizers ?? []), finalizer], options);
}

/**
 * Lets go of the object with that uid after everything of it is cleaned up; with its last finalizer, one that is being deleted
 * goes away. One that is gone, or another of the same name, is left alone. Throws TransientError Conflict if others change it again
 * and again. `known`: the object as it was last written, which is tried first.
 */
export async function removeFinalizer<T extends KubeObject>(
  store: Pick<Store, 'get' | 'setFinalizers'>,
  kind: ResourceKind<T>,
  { uid, ...key }: ObjectKey & { readonly uid?: string | undefined },
  finalizer: string,
  { known, ...options }: WriteOptions & { readonly known?: T | undefined },
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const isKnown = tries === 1 && known !== undefined && hasFinalizer(known, finalizer);
    const object = isKnown ? known : await store.get(kind, key, { fresh: true });
    if (!object || !hasFinalizer(object, finalizer)) return;
    if (uid !== undefined && object.metadata.uid !== uid) return;
    const others = object.metadata.finalizers?.filter((other) => other !== finalizer) ?? [];
    try {
      await store.setFinalizers(kind, object, others, options);
      return;
    } catch (error) {
      if (!(error instanceof CaplvError) || error.code !== 'Conflict' || tries === TRIES) throw error;
    }
  }
}
