/** Declares the Lease of Kubernetes. */

import type { KubeObject, ResourceKind } from '../../apimachinery/object.ts';

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/ */
export interface Lease extends KubeObject {
  spec: {
    /** Empty: released. */
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    /** RFC 3339 with microseconds, as the next one. */
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export const LeaseKind: ResourceKind<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};
