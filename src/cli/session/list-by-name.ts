import type { KubeObject, ResourceKind } from '../../apimachinery/object.ts';
import type { ListOptions, Store } from '../../store/store.ts';

/** The objects that a command names: all that there are, or one in each namespace. */
export async function listByName<T extends KubeObject>(
  store: Store,
  kind: ResourceKind<T>,
  options: ListOptions,
  name: string | undefined,
): Promise<T[]> {
  const objects = await store.list(kind, options);
  return objects.filter(({ metadata }) => name === undefined || metadata.name === name);
}
