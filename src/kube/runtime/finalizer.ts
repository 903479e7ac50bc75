import type { KubeObject, ResourceKind } from '../../apimachinery/object.ts';

/**
 * A place where the finalizers of an object can be replaced. Not by server-side apply: that can only take away what the
 * same field manager gave, and after `kubectl edit` or `clusterctl move` a finalizer belongs to someone else.
 */
export interface FinalizerStore {
  /**
   * Of exactly this version of the object: `Transient` code Conflict if it changed since. Returns the object as it is
   * then; undefined if it is gone.
   */
  setFinalizers<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    finalizers: readonly string[],
  ): Promise<T | undefined>;
}

export function hasFinalizer(object: KubeObject, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) ?? false;
}

/** Before anything is made that would have to be cleaned up. Returns the object with it; undefined if it is gone. */
export async function addFinalizer<T extends KubeObject>(
  store: FinalizerStore,
  kind: ResourceKind<T>,
  object: T,
  finalizer: string,
): Promise<T | undefined> {
  if (hasFinalizer(object, finalizer)) return object;
  return store.setFinalizers(kind, object, [...(object.metadata.finalizers ?? []), finalizer]);
}

/** After everything is cleaned up. With the last finalizer, an object that is being deleted goes away. */
export async function removeFinalizer<T extends KubeObject>(
  store: FinalizerStore,
  kind: ResourceKind<T>,
  object: T,
  finalizer: string,
): Promise<void> {
  if (!hasFinalizer(object, finalizer)) return;
  const others = object.metadata.finalizers?.filter((other) => other !== finalizer) ?? [];
  await store.setFinalizers(kind, object, others);
}
