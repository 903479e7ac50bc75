/** The MachineSets that a MachineDeployment makes, and what it keeps in step on them. */

import type { Machine } from '../../api/kinds/machine.ts';
import { type MachineDeployment, MachineDeploymentKind } from '../../api/kinds/machine-deployment.ts';
import { type MachineSet, MachineSetKind } from '../../api/kinds/machine-set.ts';
import { API_VERSION } from '../../api/schema/group.ts';
import { controllerReference } from '../../apimachinery/owner-reference.ts';
import { DISABLE_CREATE_ANNOTATION } from '../machine-set/controller.ts';
import { isAvailable } from '../shared/availability.ts';
import type { ScaledSet } from './proportional-scaling.ts';
import {
  HAS_RUN_ANNOTATION,
  REVISION_ANNOTATION,
  TEMPLATE_HASH_LABEL,
  templateHash,
  withHash,
} from './revision.ts';

/** On a MachineSet: replicas of its deployment when the set got its size, and how many there might be in all. */
const DESIRED_ANNOTATION = 'cluster-api.k8s.io/desired-replicas';
const MOST_ANNOTATION = 'cluster-api.k8s.io/max-replicas';

/** A set of the deployment and all machines whose controller it is. */
export interface SetWithMachines {
  readonly set: MachineSet;
  readonly machines: readonly Machine[];
}

export interface DeploymentSets {
  /** Set of the current template; undefined while there is none. */
  readonly current: SetWithMachines | undefined;
  /** Oldest revision first. */
  readonly old: readonly SetWithMachines[];
}

/** What the deployment decides about one of its sets. */
export interface SetIntent {
  readonly replicas: number;
  /** Undefined: stays as it is. */
  readonly revision?: number;
  readonly mayCreate: boolean;
  readonly maxSurge: number;
  /** A machine of the set is available. */
  readonly runs: boolean;
}

/** A set without machines for the current template. Its name follows from the template; `taken`: names that are in use. */
export function newMachineSet(deployment: MachineDeployment, taken: ReadonlySet<string>): MachineSet {
  const { namespace = 'default', name } = deployment.metadata;
  const { template, selector, minReadySeconds } = deployment.spec;
  let salt = 0;
  while (taken.has(`${name}-${templateHash(template, salt)}`)) salt += 1;
  const hash = templateHash(template, salt);
  return {
    apiVersion: API_VERSION,
    kind: MachineSetKind.kind,
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels: { ...template.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash },
      ownerReferences: [controllerReference(MachineDeploymentKind, deployment)],
    },
    spec: {
      replicas: 0,
      minReadySeconds,
      deletePolicy: 'Random',
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [TEMPLATE_HASH_LABEL]: hash } },
      template: withHash(template, hash),
    },
  };
}

/** The set as it should be. */
export function intendedSet(set: MachineSet, deployment: MachineDeployment, intent: SetIntent): MachineSet {
  const { replicas, minReadySeconds } = deployment.spec;
  const { [DISABLE_CREATE_ANNOTATION]: _, ...annotations } = set.metadata.annotations ?? {};
  return {
    ...set,
    metadata: {
      ...set.metadata,
      annotations: {
        ...annotations,
        ...(intent.mayCreate ? {} : { [DISABLE_CREATE_ANNOTATION]: 'true' }),
        ...(intent.runs ? { [HAS_RUN_ANNOTATION]: 'true' } : {}),
        ...(intent.revision === undefined ? {} : { [REVISION_ANNOTATION]: String(intent.revision) }),
        [DESIRED_ANNOTATION]: String(replicas),
        [MOST_ANNOTATION]: String(replicas + intent.maxSurge),
      },
    },
    spec: { ...set.spec, replicas: intent.replicas, minReadySeconds },
  };
}

/** A set that is being deleted only has machines that go. */
export function countOf(
  { set, machines }: SetWithMachines,
  minReadySeconds: number,
  nowMs: number,
  expectsNode: boolean,
): ScaledSet {
  const isGoing = set.metadata.deletionTimestamp !== undefined;
  const available = machines.filter((machine) => isAvailable(machine, minReadySeconds, nowMs, expectsNode));
  return {
    name: set.metadata.name,
    replicas: isGoing ? 0 : set.spec.replicas,
    machines: machines.length,
    leaving: machines.filter(({ metadata }) => isGoing || metadata.deletionTimestamp).length,
    available: isGoing ? 0 : available.length,
    pendingReplicas: hasObserved(set) ? 0 : (set.status?.askedReplicas ?? 0),
    desiredThen: numberIn(set, DESIRED_ANNOTATION),
    mostThen: numberIn(set, MOST_ANNOTATION),
  };
}

/**
 * True if the set has acted by the size that it was told last. While it has not, it may be making machines by the size before,
 * and must not be told less than it has: what it makes then would be in nobody's count.
 */
export function hasObserved({ metadata, status }: MachineSet): boolean {
  return status?.observedGeneration === metadata.generation;
}

function numberIn({ metadata }: MachineSet, annotation: string): number | undefined {
  const text = metadata.annotations?.[annotation];
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
