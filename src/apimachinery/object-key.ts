/** Forms the names of objects and resources: keys, their text, and API versions. */

import type { KubeObject, ObjectKey, ResourceKind } from './object.ts';

/** Where an object lives. `namespace` is empty for kinds without namespaces. */
export function keyOf(object: Pick<KubeObject, 'metadata'>): ObjectKey {
  return { namespace: object.metadata.namespace ?? '', name: object.metadata.name };
}

/** `namespace/name`, or `name` where there is no namespace: the form of logs, queues and caches. */
export function formatKey(key: ObjectKey): string {
  return key.namespace ? `${key.namespace}/${key.name}` : key.name;
}

/** The inverse of `formatKey`. */
export function parseKey(text: string): ObjectKey {
  const slash = text.indexOf('/');
  if (slash === -1) return { namespace: '', name: text };
  return { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** `machines.cluster-api.k8s.io`, or `secrets` for the core group: how Kubernetes itself names a resource. */
export function resourceName(kind: ResourceKind): string {
  return kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
}

/** `cluster-api.k8s.io/v1alpha1`, or `v1` for the core group. */
export function apiVersionOf(kind: ResourceKind): string {
  return kind.group ? `${kind.group}/${kind.version}` : kind.version;
}
