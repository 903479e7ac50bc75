/** What is read of upstream's own objects: the fields of contract v1beta2 alone, so that a newer release of Cluster API is no news here. */

import type { KubeObject, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';

export const CONTRACT_GROUP = 'cluster.x-k8s.io';
export const CONTRACT_VERSION = 'v1beta2';
export const CONTRACT_API_VERSION = `${CONTRACT_GROUP}/${CONTRACT_VERSION}`;

/** Label of all objects that belong to a Cluster. */
export const CONTRACT_CLUSTER_LABEL = `${CONTRACT_GROUP}/cluster-name`;
/** Annotation that stops all work on an object while it is there. */
export const CONTRACT_PAUSED_ANNOTATION = `${CONTRACT_GROUP}/paused`;
/** Label of an object that another system manages. */
export const MANAGED_BY_LABEL = `${CONTRACT_GROUP}/managed-by`;
/** Label by which several installations of one provider share a cluster. */
export const WATCH_FILTER_LABEL = `${CONTRACT_GROUP}/watch-filter`;
/** Annotation that makes `clusterctl move` wait. */
export const BLOCK_MOVE_ANNOTATION = 'clusterctl.cluster.x-k8s.io/block-move';
/** Annotation of an object that `clusterctl move` is about to delete: what it stands for goes on elsewhere. */
export const DELETE_FOR_MOVE_ANNOTATION = 'clusterctl.cluster.x-k8s.io/delete-for-move';

interface Reference {
  readonly apiGroup?: string;
  readonly kind?: string;
  readonly name?: string;
}

/** Machine of the current Cluster API: the owner of a LibvirtMachine. */
export interface ContractMachine extends KubeObject {
  metadata: ObjectMeta;
  spec: {
    readonly clusterName?: string;
    readonly bootstrap?: { readonly dataSecretName?: string };
    readonly version?: string;
    readonly failureDomain?: string;
    readonly infrastructureRef?: Reference;
  };
}

/** Cluster of the current Cluster API: the owner of a LibvirtCluster. */
export interface ContractCluster extends KubeObject {
  metadata: ObjectMeta;
  spec: {
    readonly paused?: boolean;
    readonly clusterNetwork?: {
      readonly pods?: { readonly cidrBlocks?: readonly string[] };
      readonly services?: { readonly cidrBlocks?: readonly string[] };
      readonly serviceDomain?: string;
    };
    readonly controlPlaneEndpoint?: { readonly host?: string; readonly port?: number };
    readonly infrastructureRef?: Reference;
  };
  status?: { readonly initialization?: { readonly infrastructureProvisioned?: boolean } };
}

export const ContractMachineKind: ResourceKind<ContractMachine> = {
  group: CONTRACT_GROUP,
  version: CONTRACT_VERSION,
  kind: 'Machine',
  plural: 'machines',
  namespaced: true,
  pick: ({ apiVersion, kind, metadata, spec }) => {
    const { clusterName, bootstrap, version, failureDomain, infrastructureRef } = (spec ??
      {}) as ContractMachine['spec'];
    const kept = { clusterName, bootstrap, version, failureDomain, infrastructureRef };
    return { apiVersion, kind, metadata: keptMetadata(metadata), spec: kept } as ContractMachine;
  },
};

export const ContractClusterKind: ResourceKind<ContractCluster> = {
  group: CONTRACT_GROUP,
  version: CONTRACT_VERSION,
  kind: 'Cluster',
  plural: 'clusters',
  namespaced: true,
  pick: ({ apiVersion, kind, metadata, spec, status }) => {
    const { paused, clusterNetwork, controlPlaneEndpoint, infrastructureRef } = (spec ??
      {}) as ContractCluster['spec'];
    const { initialization } = (status ?? {}) as NonNullable<ContractCluster['status']>;
    const kept = { paused, clusterNetwork, controlPlaneEndpoint, infrastructureRef };
    return {
      ...{ apiVersion, kind, metadata: keptMetadata(metadata), spec: kept },
      ...(initialization && { status: { initialization } }),
    } as ContractCluster;
  },
};

/** Without annotations, and without who wrote which field. */
function keptMetadata(metadata: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp } =
    metadata;
  const { labels, ownerReferences } = metadata;
  const all = { name, namespace, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp };
  const given = Object.entries({ ...all, labels, ownerReferences }).filter(
    ([, value]) => value !== undefined,
  );
  return Object.fromEntries(given) as unknown as ObjectMeta;
}

/** Name of the LibvirtMachine or LibvirtCluster to which an object of Cluster API refers; undefined: to something else. */
export function infrastructureNameOf(
  { spec }: { readonly spec: { readonly infrastructureRef?: Reference } },
  { group, kind }: Pick<ResourceKind, 'group' | 'kind'>,
): string | undefined {
  const reference = spec.infrastructureRef;
  return reference?.kind === kind && reference.apiGroup === group ? reference.name : undefined;
}
