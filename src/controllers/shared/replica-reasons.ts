/**
 * Every condition type and reason of MachineSets and MachineDeployments, explained. Those of deployments are named as
 * kubectl knows them. Further reasons are the error codes of src/errors.ts, and those that reasons.ts explains.
 */

import type { CaplvError } from '../../errors.ts';
import type { Reason } from './conditions.ts';

export const REPLICA_CONDITIONS = {
  Ready:
    'The desired number of machines exists, all are available and, for a MachineDeployment, all have the current template.',
  Available: 'For a MachineDeployment: as many machines are available as maxUnavailable requires.',
  Progressing:
    'For a MachineDeployment: the rollout is complete or makes progress. Its lastTransitionTime is that of the last progress.',
  ReplicaFailure: 'For a MachineDeployment: a MachineSet or Machine could not be created. Absent otherwise.',
} as const;

export type ReplicaConditionType = keyof typeof REPLICA_CONDITIONS;

export const REPLICA_REASONS = {
  ScalingUp: 'Machines are missing and are being created.',
  TooManyMachines:
    'Many more machines exist than were ever requested. The set is frozen: it creates and deletes none until a person allows it.',
  ScalingDown: 'There are too many machines; the surplus is being deleted.',
  MachinesNotReady: 'All machines exist, some are not ready, or not for minReadySeconds yet.',
  MinimumMachinesAvailable: 'Enough machines are available.',
  MinimumMachinesUnavailable: 'More machines are missing than maxUnavailable allows.',
  NewMachineSetCreated: 'The template changed; its MachineSet was created.',
  MachineSetUpdated: 'Machines are being replaced.',
  NewMachineSetAvailable: 'All machines have the current template and are available.',
  ProgressDeadlineExceeded:
    'The rollout made no progress for progressDeadlineSeconds; the message names the obstacle.',
  DeploymentPaused: 'spec.paused is true: changes of the template do not start a rollout.',
  DeploymentResumed: 'spec.paused is no longer true; the rollout continues.',
} as const;

export type ReplicaReason = keyof typeof REPLICA_REASONS | Reason | CaplvError['code'];
