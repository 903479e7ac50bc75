/** Certificate requests of workload clusters, as the controllers see them, and what may be done to them there. */

import type { ObjectKey } from '../../apimachinery/object.ts';

/** Of a Kubernetes CertificateSigningRequest of the signer kubernetes.io/kubelet-serving, what a decision goes by. */
export interface ServingRequest {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Who made it, as the API server authenticated them. */
  readonly username: string;
  readonly groups: readonly string[];
  readonly usages: readonly string[];
  /** PEM. */
  readonly request: string;
}

/** Certificate requests of the cluster that a Secret `<cluster>-kubeconfig` names. */
export interface ServingRequests {
  /**
   * Has `work` called with what reads and approves requests there; does nothing if the cluster has no such Secret. The connection ends with it.
   * Throws TransientError: NodeAccessDenied if the kubeconfig lacks the right, NodesUnreadable if its API server fails in another way.
   */
  within(cluster: ObjectKey, work: (client: ServingRequestClient) => Promise<void>): Promise<void>;
}

export interface ServingRequestClient {
  /** Those that are neither approved nor denied, and can be read. */
  pending(): Promise<readonly ServingRequest[]>;
  /** Approves that very request as it was read. False: it is gone, or somebody changed it. */
  approve(request: ServingRequest, message: string): Promise<boolean>;
}
