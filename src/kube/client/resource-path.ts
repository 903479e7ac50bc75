/** Builds the URL paths of collections and objects. */

import type { ObjectKey, ResourceKind } from '../../apimachinery/object.ts';

/** Returns the path of all objects of a kind, or of those in a namespace. */
export function collectionPath(kind: ResourceKind, namespace: string | undefined): string {
  const root = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
  const scope = kind.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${kind.plural}`;
}

/** Returns the path of one object. Throws if the key does not fit the kind. */
export function objectPath(kind: ResourceKind, { namespace, name }: ObjectKey): string {
  if (!name) throw new Error(`a ${kind.kind} without a name`);
  if (kind.namespaced && !namespace) throw new Error(`${kind.kind} ${name} needs a namespace`);
  return `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
}
