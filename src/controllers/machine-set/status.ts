/** What the status of a MachineSet says of its machines. */

import { admit } from '../../api/kinds/admission.ts';
import type { Machine } from '../../api/kinds/machine.ts';
import type { MachineSet, MachineSetStatus } from '../../api/kinds/machine-set.ts';
import { selectorText, selects } from '../../api/kinds/machine-template.ts';
import { type Condition, setCondition } from '../../apimachinery/conditions.ts';
import { type CaplvError, TerminalError } from '../../errors.ts';
import { areNodes, describeUnavailable, isAvailable, isReady } from '../shared/availability.ts';
import type { ReplicaReason } from '../shared/replica-reasons.ts';

/** `set`: with its defaults. `machines`: all of the set, also those that are being deleted. */
export function machineSetStatus(
  set: MachineSet,
  machines: readonly Machine[],
  nowMs: number,
): MachineSetStatus {
  const status = countsOf(set, machines, nowMs);
  const { reason, message } = readiness(set, machines, status, nowMs);
  return withReady(set, status, reason, message, nowMs);
}

/** Says why a set is not ready; True for reason AsSpecified only. */
export function withReady(
  set: MachineSet,
  status: MachineSetStatus,
  reason: ReplicaReason,
  message: string,
  nowMs: number,
): MachineSetStatus {
  const { generation } = set.metadata;
  const condition: Omit<Condition, 'lastTransitionTime'> = {
    type: 'Ready',
    status: reason === 'AsSpecified' ? 'True' : 'False',
    reason,
    message,
  };
  return {
    ...status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: setCondition(set.status?.conditions, condition, new Date(nowMs).toISOString()),
  };
}

/** With what stopped the reconcile; `set` as it is stored. Of an error that needs a person also the fields that the original API has for it. */
export function failedStatus(
  set: MachineSet,
  machines: readonly Machine[],
  failure: CaplvError,
  nowMs: number,
): MachineSetStatus {
  const message = failure.fix === undefined ? failure.message : `${failure.message}; ${failure.fix}`;
  const counts = { ...withoutError(set), replicas: machines.length, ...validCounts(set, machines, nowMs) };
  const status = withReady(set, counts, failure.code, message, nowMs);
  return failure instanceof TerminalError
    ? { ...status, errorReason: failure.code, errorMessage: message }
    : status;
}

/** What is known of the set already, without errors of the past. */
export function withoutError(set: MachineSet): MachineSetStatus {
  const { errorReason: _, errorMessage: __, ...status } = set.status ?? { replicas: 0 };
  return status;
}

/** Nothing for a set that is itself what is wrong. */
function validCounts(
  set: MachineSet,
  machines: readonly Machine[],
  nowMs: number,
): MachineSetStatus | undefined {
  try {
    return countsOf(admit(set), machines, nowMs);
  } catch (error) {
    if (error instanceof TerminalError) return undefined;
    throw error;
  }
}

function countsOf(set: MachineSet, machines: readonly Machine[], nowMs: number): MachineSetStatus {
  const { selector, template, minReadySeconds } = set.spec;
  const expectsNode = areNodes(machines);
  const templateLabels = { matchLabels: template.metadata?.labels ?? {} };
  return {
    replicas: machines.length,
    fullyLabeledReplicas: machines.filter(({ metadata }) => selects(templateLabels, metadata.labels)).length,
    readyReplicas: machines.filter((machine) => isReady(machine, expectsNode)).length,
    availableReplicas: machines.filter((machine) => isAvailable(machine, minReadySeconds, nowMs, expectsNode))
      .length,
    selector: selectorText(selector),
    ...(set.status?.askedReplicas === undefined ? {} : { askedReplicas: set.status.askedReplicas }),
  };
}

function readiness(
  { spec }: MachineSet,
  machines: readonly Machine[],
  { availableReplicas = 0 }: MachineSetStatus,
  nowMs: number,
): { readonly reason: ReplicaReason; readonly message: string } {
  const { replicas, minReadySeconds } = spec;
  if (machines.length > replicas) {
    return { reason: 'ScalingDown', message: `${machines.length} machines exist, ${replicas} are asked for` };
  }
  const missing = describeUnavailable(machines, minReadySeconds, nowMs);
  if (machines.length < replicas) {
    const message = `${machines.length} of ${replicas} machines exist`;
    return { reason: 'ScalingUp', message: missing ? `${message}; not available: ${missing}` : message };
  }
  if (availableReplicas < replicas) {
    const message = `${availableReplicas} of ${replicas} machines are available; not available: ${missing}`;
    return { reason: 'MachinesNotReady', message };
  }
  return { reason: 'AsSpecified', message: '' };
}
