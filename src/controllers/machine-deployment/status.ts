/**
 * What the status of a MachineDeployment says of its rollout. The fields mean what they mean in Kubernetes' Deployments, so
 * that whoever knows how to wait for one knows how to wait for the other. A rollout is done when, in this order,
 * observedGeneration is metadata.generation, updatedReplicas is spec.replicas, replicas is updatedReplicas (nothing old is
 * left), and availableReplicas is updatedReplicas; it is stuck when Progressing has reason ProgressDeadlineExceeded.
 */

import type { MachineDeployment, MachineDeploymentStatus } from '../../api/kinds/machine-deployment.ts';
import { selectorText } from '../../api/kinds/machine-template.ts';
import { areNodes, isAvailable, isReady } from '../shared/availability.ts';
import type { DeploymentSets } from './sets.ts';

/** The numbers, without conditions. */
export function deploymentCounts(
  deployment: MachineDeployment,
  { current, old }: DeploymentSets,
  nowMs: number,
): MachineDeploymentStatus {
  const { selector, minReadySeconds } = deployment.spec;
  const { generation } = deployment.metadata;
  const sets = [...old, ...(current ? [current] : [])];
  const machines = sets.flatMap((set) => set.machines);
  const expectsNode = areNodes(machines);
  const available = machines.filter((machine) =>
    isAvailable(machine, minReadySeconds, nowMs, expectsNode),
  ).length;
  const staying = sets.filter(({ set }) => !set.metadata.deletionTimestamp);
  const told = staying.reduce((total, { set }) => total + set.spec.replicas, 0);
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    replicas: machines.length,
    updatedReplicas: current?.machines.length ?? 0,
    readyReplicas: machines.filter((machine) => isReady(machine, expectsNode)).length,
    availableReplicas: available,
    unavailableReplicas: Math.max(0, told - available),
    selector: selectorText(selector),
  };
}

/** True if nothing is left to do. */
export function isComplete(
  { spec }: MachineDeployment,
  { updatedReplicas, replicas, availableReplicas }: MachineDeploymentStatus,
): boolean {
  return (
    updatedReplicas === spec.replicas && replicas === spec.replicas && availableReplicas === spec.replicas
  );
}

/** True if `now` is nearer to the end than `before`. */
export function hasMoved(before: MachineDeploymentStatus, now: MachineDeploymentStatus): boolean {
  const {
    updatedReplicas: updatedThen = 0,
    readyReplicas: readyThen = 0,
    availableReplicas: then = 0,
  } = before;
  const {
    updatedReplicas: updatedNow = 0,
    readyReplicas: readyNow = 0,
    availableReplicas: nowAvailable = 0,
  } = now;
  return (
    updatedNow > updatedThen ||
    readyNow > readyThen ||
    nowAvailable > then ||
    now.replicas - updatedNow < before.replicas - updatedThen
  );
}
