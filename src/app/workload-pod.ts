/** What is kept of a pod. It comes from a server that is not ours, so its shape is checked before anything uses it. */

import * as z from 'zod';
import type { KubeObject, ResourceKind } from '../apimachinery/object.ts';
import type { WorkloadPod } from '../controllers/node/workload-node.ts';
import { OBJECT_NAME, OBJECT_UID } from './workload-node.ts';

interface Pod extends KubeObject {
  readonly kept: WorkloadPod;
}

const name = z.string().regex(OBJECT_NAME);

const schema = z.object({
  apiVersion: z.string().max(64),
  kind: z.string().max(64),
  metadata: z.object({
    name,
    namespace: name,
    uid: z.string().regex(OBJECT_UID),
    deletionTimestamp: z.string().max(64).nullish(),
    annotations: z.record(z.string(), z.unknown()).nullish(),
    ownerReferences: z
      .array(z.object({ kind: z.string().max(253), controller: z.boolean().nullish() }))
      .max(100)
      .nullish(),
  }),
  status: z.object({ phase: z.string().max(64).nullish() }).nullish(),
});

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

export const PodKind: ResourceKind<Pod> = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
  pick,
};

export function workloadPod({ kept }: Pod): WorkloadPod {
  return kept;
}

/** One that cannot be read is left out: it cannot be named in an eviction either. */
function pick(object: KubeObject): Pod | undefined {
  const { data } = schema.safeParse(object);
  if (!data) return undefined;
  const { metadata, status, apiVersion, kind } = data;
  const kept: WorkloadPod = {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    phase: status?.phase ?? undefined,
    isEnding: typeof metadata.deletionTimestamp === 'string',
    isMirror: Object.hasOwn(metadata.annotations ?? {}, MIRROR_ANNOTATION),
    controller: metadata.ownerReferences?.find(({ controller }) => controller)?.kind,
  };
  return { apiVersion, kind, metadata: { namespace: kept.namespace, name: kept.name }, kept };
}
