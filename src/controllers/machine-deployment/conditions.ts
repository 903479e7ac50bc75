/** Conditions of a MachineDeployment: Ready as of our other kinds; Available, Progressing and ReplicaFailure as of Kubernetes' Deployments. */

import type { MachineDeployment, MachineDeploymentStatus } from '../../api/kinds/machine-deployment.ts';
import { type Condition, conditionOf, findCondition, setCondition } from '../../apimachinery/conditions.ts';
import type { CaplvError } from '../../errors.ts';
import { describeUnavailable } from '../shared/availability.ts';
import type { ReplicaConditionType, ReplicaReason } from '../shared/replica-reasons.ts';
import { strategyLimits } from './limits.ts';
import type { DeploymentSets } from './sets.ts';
import { hasMoved, isComplete } from './status.ts';

interface Verdict {
  readonly status: Condition['status'];
  readonly reason: ReplicaReason;
  readonly message: string;
}

export interface Rollout {
  readonly deployment: MachineDeployment;
  readonly sets: DeploymentSets;
  /** The numbers as they are now. */
  readonly counts: MachineDeploymentStatus;
  /** A MachineSet for a new template was made just now. */
  readonly hasBegun: boolean;
  readonly nowMs: number;
}

export function deploymentConditions(rollout: Rollout): Condition[] {
  const { deployment, nowMs } = rollout;
  const now = new Date(nowMs).toISOString();
  const before = deployment.status?.conditions?.filter(({ type }) => type !== 'ReplicaFailure');
  const set = (conditions: Condition[] | undefined, type: ReplicaConditionType, verdict: Verdict) =>
    setCondition(conditions, { type, ...verdict }, now);
  const failure = setFailure(rollout.sets);
  const summary = set(before, 'Ready', failure ? { ...failure, status: 'False' } : readiness(rollout));
  const conditions = set(summary, 'Available', availability(rollout));
  const { madeProgress, ...verdict } = progress(rollout);
  const told = set(conditions, 'Progressing', verdict).map((condition) =>
    condition.type === 'Progressing' && madeProgress ? { ...condition, lastTransitionTime: now } : condition,
  );
  return failure ? set(told, 'ReplicaFailure', failure) : told;
}

/** Conditions as they were, with what stopped the reconcile. */
export function withReplicaFailure(
  conditions: Condition[] | undefined,
  failure: CaplvError,
  nowMs: number,
): Condition[] {
  const message = failure.fix === undefined ? failure.message : `${failure.message}; ${failure.fix}`;
  const verdict = { reason: failure.code, message };
  const now = new Date(nowMs).toISOString();
  const failed = setCondition(conditions, { type: 'ReplicaFailure', status: 'True', ...verdict }, now);
  return setCondition(failed, { type: 'Ready', status: 'False', ...verdict }, now);
}

/** Conditions as they were, of a deployment that nothing works on for that reason. */
export function withNotReady(
  conditions: Condition[] | undefined,
  reason: ReplicaReason,
  message: string,
  nowMs: number,
): Condition[] {
  const condition = { type: 'Ready', status: 'False', reason, message } as const;
  return setCondition(conditions, condition, new Date(nowMs).toISOString());
}

/** Milliseconds until a rollout that does not move is reported; undefined: there is nothing to report. */
export function deadlineIn(
  { spec }: MachineDeployment,
  conditions: readonly Condition[],
  nowMs: number,
): number | undefined {
  const condition = conditionOf(conditions, 'Progressing');
  if (condition?.status !== 'True' || condition.reason === 'NewMachineSetAvailable') return undefined;
  const at = Date.parse(condition.lastTransitionTime) + spec.progressDeadlineSeconds * 1_000;
  return Math.max(0, at - nowMs);
}

/** True when nothing is left to do: what `kubectl wait --for=condition=Ready` and `caplv apply --wait` wait for. */
function readiness({ deployment, sets, counts, nowMs }: Rollout): Verdict {
  const { replicas, paused, minReadySeconds } = deployment.spec;
  if (isComplete(deployment, counts)) return { status: 'True', reason: 'AsSpecified', message: '' };
  const machines = [...(sets.current ? [sets.current] : []), ...sets.old].flatMap((one) => one.machines);
  const missing = describeUnavailable(machines, minReadySeconds, nowMs);
  const numbers = `${counts.updatedReplicas} of ${replicas} machines are of the current template, ${counts.replicas} exist`;
  const message = missing ? `${numbers}; not available: ${missing}` : numbers;
  const isRolling = counts.replicas !== counts.updatedReplicas;
  if (isRolling)
    return { status: 'False', reason: paused ? 'DeploymentPaused' : 'MachineSetUpdated', message };
  if (counts.replicas < replicas) return { status: 'False', reason: 'ScalingUp', message };
  if (counts.replicas > replicas) return { status: 'False', reason: 'ScalingDown', message };
  return { status: 'False', reason: 'MachinesNotReady', message };
}

function availability({ deployment, counts }: Rollout): Verdict {
  const { availableReplicas = 0 } = counts;
  const enough = deployment.spec.replicas - strategyLimits(deployment.spec).maxUnavailable;
  const message = `${availableReplicas} of ${deployment.spec.replicas} machines are available`;
  return availableReplicas >= enough
    ? { status: 'True', reason: 'MinimumMachinesAvailable', message }
    : { status: 'False', reason: 'MinimumMachinesUnavailable', message: `${message}, ${enough} are needed` };
}

/** madeProgress: the deadline counts from now on. */
function progress(rollout: Rollout): Verdict & { readonly madeProgress: boolean } {
  const { deployment, sets, counts, hasBegun, nowMs } = rollout;
  const { spec, status } = deployment;
  const before = findCondition({ status }, 'Progressing');
  const name = sets.current?.set.metadata.name;
  const numbers = `MachineSet ${name}: ${counts.updatedReplicas} of ${spec.replicas} machines, ${counts.replicas} in all`;
  if (spec.paused) return { status: 'Unknown', reason: 'DeploymentPaused', message: '', madeProgress: false };
  if (isComplete(deployment, counts)) {
    const message = `all machines are of MachineSet ${name}`;
    const madeProgress = before?.reason !== 'NewMachineSetAvailable';
    return { status: 'True', reason: 'NewMachineSetAvailable', message, madeProgress };
  }
  if (hasBegun)
    return { status: 'True', reason: 'NewMachineSetCreated', message: numbers, madeProgress: true };

  // A finished rollout stays finished while a machine breaks or the deployment is scaled.
  const isRolling = counts.replicas !== counts.updatedReplicas;
  if (before?.reason === 'NewMachineSetAvailable' && !isRolling)
    return { ...verdictOf(before), madeProgress: false };

  const isFresh = before?.status !== 'True' && before?.reason !== 'ProgressDeadlineExceeded';
  const hasStarted = isFresh || before?.reason === 'NewMachineSetAvailable';
  if (hasStarted || hasMoved(status ?? { replicas: 0 }, counts)) {
    return { status: 'True', reason: 'MachineSetUpdated', message: numbers, madeProgress: true };
  }
  const isLate = before?.status === 'False' || deadlineIn(deployment, before ? [before] : [], nowMs) === 0;
  if (!isLate) return { ...verdictOf(before), message: numbers, madeProgress: false };
  const machines = sets.current?.machines ?? [];
  const missing = describeUnavailable(machines, spec.minReadySeconds, nowMs);
  const message = missing ? `${numbers}; not available: ${missing}` : numbers;
  return { status: 'False', reason: 'ProgressDeadlineExceeded', message, madeProgress: false };
}

function verdictOf({ status, reason, message }: Condition): Verdict {
  return { status, reason: reason as ReplicaReason, message };
}

/** What a person has to repair before a set can do its work. */
function setFailure({ current, old }: DeploymentSets): Verdict | undefined {
  for (const one of [...(current ? [current] : []), ...old]) {
    const { errorReason, errorMessage = '' } = one.set.status ?? {};
    if (errorReason !== undefined) {
      const message = `MachineSet ${one.set.metadata.name}: ${errorMessage}`;
      return { status: 'True', reason: errorReason as ReplicaReason, message };
    }
  }
  return undefined;
}
