/**
 * Every condition type and reason of MachineSets and MachineDeployments, explained. Those of deployments are named as
 * kubectl knows them. Further reasons are the error codes of src/errors.ts, and those that reasons.ts explains.
 */

import type { CaplvError } from '../../errors.ts';
import type { Reason } from './conditions.ts';

export const REPLICA_CONDITIONS = {
  Ready:
    'There are as many machines as asked for, all are available and, of a MachineDeployment, all are of the current template.',
  Available: 'Of a MachineDeployment: as many machines are available as maxUnavailable demands.',
  Progressing:
    'Of a MachineDeployment: the rollout is done or goes on. Its lastTransitionTime is that of the last progress.',
  ReplicaFailure: 'Of a MachineDeployment: something refuses to be made. Absent while nothing does.',
} as const;

export type ReplicaConditionType = keyof typeof REPLICA_CONDITIONS;

export const REPLICA_REASONS = {
  ScalingUp: 'Machines are missing; they are being made.',
  TooManyMachines:
    'There are many more machines than were ever asked for. The set is frozen: it makes and deletes none until a person says so.',
  ScalingDown: 'There are machines too many; they are being deleted.',
  MachinesNotReady: 'All machines exist, some are not ready, or not for minReadySeconds yet.',
  MinimumMachinesAvailable: 'Enough machines are available.',
  MinimumMachinesUnavailable: 'More machines are missing than maxUnavailable allows.',
  NewMachineSetCreated: 'The template changed; the MachineSet for it was made.',
  MachineSetUpdated: 'Machines are being replaced.',
  NewMachineSetAvailable: 'All machines are of the current template, and available.',
  ProgressDeadlineExceeded:
    'Nothing moved for progressDeadlineSeconds; the message names what is in the way.',
  DeploymentPaused: 'spec.paused is true: changes of the template wait.',
  DeploymentResumed: 'spec.paused is no longer true; the rollout goes on.',
} as const;

export type ReplicaReason = keyof typeof REPLICA_REASONS | Reason | CaplvError['code'];
