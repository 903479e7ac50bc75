/** Lists the objects that a command names. */

import type { KubeObject, ResourceKind } from '../../apimachinery/object.ts';
import type { ListOptions, Store } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';

/**
 * Returns the objects of these names in each namespace of `options`; all objects if `names` is empty. Calls `onUnreadable` for each of
 * them that cannot be read.
 */
export async function listByName<T extends KubeObject>(
  store: Store,
  kind: ResourceKind<T>,
  options: Omit<ListOptions, 'onUnreadable'>,
  names: readonly string[],
  onUnreadable: (error: UnreadableObjectError) => void,
): Promise<T[]> {
  const isNamed = (one: string) => names.length === 0 || names.includes(one);
  const objects = await store.list(kind, {
    ...options,
    onUnreadable: (errors) => errors.filter(({ key }) => isNamed(key.name)).forEach(onUnreadable),
  });
  return objects.filter(({ metadata }) => isNamed(metadata.name));
}
