/**
 * Every condition type and reason of Machines and Clusters, explained. Further reasons are the error codes of
 * src/errors.ts: the condition that failed has the code of what stopped it.
 */

export const CONDITIONS = {
  Ready: 'Summary: True when all other conditions are True.',
  AddressesClaimed:
    'The pools that its interfaces name granted their addresses. Of a LibvirtMachine with addressesFromPools alone.',
  BootstrapDataReady: 'The user data, Ignition config or seed ISO was found and rendered.',
  HostReady: 'The network, the pool and the base image exist on the host.',
  DomainReady: 'The domain and its volumes match the spec.',
  AddressesReady: 'The guest has an address.',
  Drifted:
    'The domain or its volumes differ from the spec because of a change outside of CAPLV; the message names the difference. Not part of Ready by itself: ' +
    'drift that is not repaired makes DomainReady False.',
  NodeDrained:
    'While the Machine is deleted: the pods of its Node have left. Unknown: pods may be left, and the message says why it was not waited for. Not part of ' +
    'Ready.',
  NodeDeleted:
    'While the Machine is deleted, and its domain is gone: the Node is deleted. Unknown: it may be left. Not part of Ready.',
} as const;

/** Of Machines of the original API, written by the controller of Nodes. Not part of Ready. */
export const NODE_CONDITIONS = {
  NodeReady: 'The Node of the Machine is ready, as its kubelet says. Absent: no Node was found yet.',
  NodeMetadataApplied:
    'The Node has the labels, annotations and taints of its Machine. Absent: the Machine gives it none.',
} as const;

export type NodeConditionType = keyof typeof NODE_CONDITIONS;

export type ConditionType = keyof typeof CONDITIONS;

export const REASONS = {
  AsSpecified: 'Nothing to do.',
  Provisioning: 'Terraform is creating or changing it.',
  ImportingImage: 'The base image is read or transferred; the message says how much of it, every 5 s.',
  NotAsSpecified:
    'The domain was changed or deleted outside of CAPLV; the next reconcile repairs it, or reports why not.',
  Repairing: 'Drift was detected and is being repaired.',
  NotRepaired: 'Drift is not repaired: spec.repair does not allow it, or it needs approval.',
  CrashLoopBackOff:
    'The domain was repaired several times in a row; the delay before the next attempt grows each time.',
  WaitingForAddress: 'The domain runs; its guest has not asked for an address yet.',
  NotStarted: 'The spec says running: false.',
  Stopped: 'The annotation cluster-api.k8s.io/stopped keeps the guest off.',
  WaitingForMachines: 'The Cluster is deleted when its last Machine is.',
  WaitingForApproval:
    'The annotation cluster-api.k8s.io/plan-only holds changes back until their plan is approved.',
  WaitingForOwner: 'No object of the current Cluster API refers to it yet.',
  WaitingForCluster: 'The Cluster of the Machine that owns it is missing.',
  WaitingForClusterInfrastructure:
    'The Cluster does not say that its LibvirtCluster is provisioned, or has none.',
  WaitingForBootstrapData: 'The bootstrap provider has not named the Secret of the Machine yet.',
  WaitingForPool: 'The IPAM provider has not granted an address that was claimed.',
  PoolExhausted:
    'The IPAM provider says that a pool has no free address; the machine continues when it has one.',
  PoolKindUnknown: 'The API server has no kind of pools that an interface names.',
  IPAMNotInstalled:
    'The API server has no IPAddressClaims: the core provider of Cluster API brings their CustomResourceDefinition.',
  AddressUnusable: 'A pool granted an address, or a gateway, that no guest can use.',
  ClaimDeleted:
    'The claim of an address, or what was granted for it, is being deleted or is gone while the machine has the address.',
  AddressChanged:
    'A claim has another address than the one that the machine was made with, which the machine keeps.',
  Paused: 'The annotation cluster-api.k8s.io/paused stops all work on it.',
  NodeNotReady: 'The Node is there, and its kubelet does not say that it is ready.',
  NodeGone: 'The workload cluster no longer has the Node, or several with its providerID.',
  Draining: 'The Node is cordoned, and its pods are being evicted.',
  Drained: 'No pod is left that has to leave.',
  DrainSkipped: 'The pods were not asked to leave; the message says why.',
  DrainTimedOut: 'Pods were left after spec.nodeDrainTimeoutSeconds.',
  NodeDeleted: 'The Node is deleted.',
  NodeNotDeleted: 'The Node could not be deleted in time; the message says why.',
  Deleting: 'The guest is being shut down, and all resources of the machine are being deleted.',
} as const;

export type Reason = keyof typeof REASONS;
