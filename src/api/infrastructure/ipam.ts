/** What is read of, and written to, the objects by which Cluster API hands out addresses: claims, and what was granted for them. */

import type { Condition } from '../../apimachinery/conditions.ts';
import type { KubeObject, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import type { PoolReference } from './pool-interface.ts';

const IPAM_GROUP = 'ipam.cluster.x-k8s.io';
const IPAM_VERSION = 'v1beta2';
export const IPAM_API_VERSION = `${IPAM_GROUP}/${IPAM_VERSION}`;

/** Asks a pool for one address. */
export interface IPAddressClaim extends KubeObject {
  metadata: ObjectMeta;
  spec: { readonly clusterName?: string; readonly poolRef: PoolReference };
  status?: { readonly addressRef?: { readonly name?: string }; readonly conditions?: readonly Condition[] };
}

/** An address that an IPAM provider granted for a claim. */
export interface IPAddress extends KubeObject {
  metadata: ObjectMeta;
  spec: {
    readonly claimRef?: { readonly name?: string };
    readonly address?: string;
    readonly prefix?: number;
    readonly gateway?: string;
  };
}

export const IPAddressClaimKind: ResourceKind<IPAddressClaim> = {
  group: IPAM_GROUP,
  version: IPAM_VERSION,
  kind: 'IPAddressClaim',
  plural: 'ipaddressclaims',
  namespaced: true,
};

export const IPAddressKind: ResourceKind<IPAddress> = {
  group: IPAM_GROUP,
  version: IPAM_VERSION,
  kind: 'IPAddress',
  plural: 'ipaddresses',
  namespaced: true,
};

export const IPAM_KINDS: readonly ResourceKind[] = [
  IPAddressClaimKind,
  IPAddressKind,
] as readonly ResourceKind[];
