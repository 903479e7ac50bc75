/** Nodes of workload clusters, as the controllers see them, and what may be done to them there. */

import type { Machine } from '../../api/kinds/machine.ts';

/** Of a Kubernetes Node, what is needed here. */
export interface WorkloadNode {
  readonly name: string;
  readonly uid: string | undefined;
  readonly providerID: string | undefined;
  readonly addresses: readonly string[];
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly lastTransitionTime?: string | null;
  }[];
  /** Cordoned: no further pods come. */
  readonly isUnschedulable: boolean;
}

/** Of a Kubernetes Node, what its Machine may write. */
export interface NodeMetadata {
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly NodeTaint[];
}

export interface NodeTaint {
  readonly key: string;
  readonly value?: string | undefined;
  readonly effect: string;
  readonly timeAdded?: string | null | undefined;
}

/** Of a pod, what decides whether it has to leave before its Node goes. */
export interface WorkloadPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly phase: string | undefined;
  /** It has been asked to end. */
  readonly isEnding: boolean;
  /** The kubelet has it from a file: nobody can evict it. */
  readonly isMirror: boolean;
  /** Kind of the object that controls it. */
  readonly controller: string | undefined;
}

/** Nodes of the cluster that a Machine is to be part of. Throws TransientError NodesUnreadable. Undefined: no such cluster is known. */
export interface WorkloadNodes {
  /** As a watch shows them: costs no request a Node, and may be old while a connection hangs. */
  of(machine: Machine): Promise<readonly WorkloadNode[] | undefined>;
  /** As they are now. */
  read(machine: Machine): Promise<readonly WorkloadNode[] | undefined>;
  /** Returns what changes the Nodes of that cluster. Throws TransientError NodesUnreadable if none is known. */
  writer(machine: Machine): Promise<NodeWriter>;
  /** Tells of each Node that comes, goes, or changes in what is said of it here, in any cluster that was asked for. */
  addHandler(handler: (node: WorkloadNode) => void): void;
}

/**
 * Changes Nodes of one workload cluster. Each call ends within seconds. Throws TransientError: NodeAccessDenied if the kubeconfig lacks the
 * right, NodesUnreadable if the API server fails in another way.
 */
export interface NodeWriter {
  /** Undefined: there is no such Node. */
  metadata(node: string): Promise<NodeMetadata | undefined>;
  /** A JSON merge patch. False: the Node is gone, or no longer has the resourceVersion that the patch names. */
  patch(node: string, patch: object): Promise<boolean>;
  /** All pods of the Node that can be read. */
  pods(node: string): Promise<readonly WorkloadPod[]>;
  /** By the eviction API: a PodDisruptionBudget may refuse it. */
  evict(pod: WorkloadPod): Promise<'accepted' | 'refused' | 'gone'>;
  /** That very Node; one that is gone is no error. */
  remove(node: WorkloadNode): Promise<void>;
}
