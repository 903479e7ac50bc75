/** Reads pods, to tell whether one still runs. */

import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { hasReason } from './api-error.ts';
import type { Client } from './client.ts';

export interface Pod extends KubeObject {
  status?: { phase?: string };
}

/** One pod: another that is made later may have the same name. */
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

/** The pod of that name; undefined: there is none, or it is not for us to know. */
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

/** True only if that very pod provably no longer runs: it is deleted, another has its name, or it has ended. */
export async function isPodGone(client: Client, { namespace, name, uid }: PodIdentity): Promise<boolean> {
  let pod: Pod | undefined;
  try {
    pod = await client.get(PodKind, { namespace, name });
  } catch (error) {
    // In a namespace that we may not look into: nothing is proven.
    if (hasReason(error, 'Forbidden')) return false;
    throw error;
  }
  const phase = pod?.status?.phase ?? '';
  return pod?.metadata.uid !== uid || phase === 'Succeeded' || phase === 'Failed';
}
