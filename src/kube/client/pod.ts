/** Reads pods, to tell whether one still runs. */

import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { hasReason } from './api-error.ts';
import type { Client } from './client.ts';

export interface Pod extends KubeObject {
  status?: { phase?: string };
}

/** Identifies one pod: a later one may have the same name. */
export interface PodIdentity extends ObjectKey {
  readonly uid: string;
}

export const PodKind: ResourceKind<Pod> = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
};

/** Returns the pod of that name; undefined: it does not exist, or may not be read. */
export async function podNamed(
  client: Client,
  namespace: string,
  name: string,
): Promise<PodIdentity | undefined> {
  const pod = await client.get(PodKind, { namespace, name }).catch((error) => {
    if (!hasReason(error, 'Forbidden')) throw error;
    return undefined;
  });
  return pod?.metadata.uid ? { namespace, name, uid: pod.metadata.uid } : undefined;
}

/** Returns true only if that pod provably no longer runs: it was deleted, or replaced by another of its name, or has ended. */
export async function isPodGone(client: Client, { namespace, name, uid }: PodIdentity): Promise<boolean> {
  let pod: Pod | undefined;
  try {
    pod = await client.get(PodKind, { namespace, name });
  } catch (error) {
    // Without the right to read pods there, nothing is proven.
    if (hasReason(error, 'Forbidden')) return false;
    throw error;
  }
  const phase = pod?.status?.phase ?? '';
  return pod?.metadata.uid !== uid || phase === 'Succeeded' || phase === 'Failed';
}
