/**
 * Every condition type and reason of Machines and Clusters, explained. Further reasons are the error codes of
 * src/errors.ts: the condition that failed has the code of what stopped it.
 */

export const CONDITIONS = {
  Ready: 'The summary: True when all others are.',
  BootstrapDataReady: 'User data, Ignition or seed ISO was found and rendered.',
  HostReady: 'Network, pool and base image are there on the host.',
  DomainReady: 'The domain and its volumes are as the spec says.',
  AddressesReady: 'The guest has an address.',
  Drifted:
    'Somebody else stopped, removed or changed what is on the host; the message names what differs. No part of Ready by itself: ' +
    'what nothing repairs makes DomainReady False.',
} as const;

export type ConditionType = keyof typeof CONDITIONS;

export const REASONS = {
  AsSpecified: 'Nothing to do.',
  Provisioning: 'Terraform is making or changing it.',
  NotAsSpecified:
    'The domain was changed or removed outside; the next reconcile repairs it, or says why not.',
  Repairing: 'Drift was noticed and is being repaired.',
  NotRepaired: 'Drift stays as it is: spec.repair does not allow the repair, or a person has to look.',
  CrashLoopBackOff:
    'The domain was repaired several times in a row; the next try waits, for longer each time.',
  WaitingForAddress: 'The domain runs; its guest has not asked for an address yet.',
  NotStarted: 'The spec says running: false.',
  WaitingForMachines: 'The Cluster is deleted when its last Machine is.',
  WaitingForApproval:
    'The annotation cluster-api.k8s.io/plan-only holds changes back until their plan is approved.',
  Paused: 'The annotation cluster-api.k8s.io/paused stops all work on it.',
  Deleting: 'The guest is shut down and everything of the machine removed.',
} as const;

export type Reason = keyof typeof REASONS;
