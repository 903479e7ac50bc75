/** The phases in which a Machine that is being deleted waits for its Node: its pods leave before the domain goes, and the Node object after it. */

import { findCondition } from '../../apimachinery/conditions.ts';
import { isInfrastructure } from '../../intent/names.ts';
import type { Step } from '../node/departures.ts';
import { isGivenUp } from '../shared/give-up.ts';
import type { Stop } from '../shared/phases.ts';
import type { MachineDependencies } from './dependencies.ts';
import type { MachineReconcile } from './reconcile.ts';
import type { MachineScope } from './scope/scope.ts';

/** Ends the reconcile while pods are leaving. Goes on when the domain may go; the status then says how it ended. */
export async function drainNode({ parts, scope }: MachineReconcile): Promise<Stop | undefined> {
  return awaitStep(parts, scope, 'NodeDrained');
}

/** Ends the reconcile while the Node is being deleted. */
export async function deleteNode({ parts, scope }: MachineReconcile): Promise<Stop | undefined> {
  return awaitStep(parts, scope, 'NodeDeleted');
}

/** True if the deletion has come as far as the Node: nothing is left on the host. */
export function isOffHost(scope: MachineScope): boolean {
  return scope.condition('NodeDeleted') !== undefined;
}

function awaitStep(
  { departures, recorder }: MachineDependencies,
  scope: MachineScope,
  type: 'NodeDrained' | 'NodeDeleted',
): Stop | undefined {
  const { machine } = scope;
  // Nodes of LibvirtMachines are Cluster API's own business.
  const hasNode = machine.status?.nodeRef !== undefined && !isInfrastructure(machine.metadata);
  if (!departures || !hasNode) return undefined;
  const before = findCondition(scope, type);
  if (before && before.status !== 'False') return undefined;
  const isDrain = type === 'NodeDrained';
  // The host is gone, and with it the pods.
  if (isDrain && isGivenUp(machine)) return undefined;
  const since = Date.parse(before?.lastTransitionTime ?? new Date().toISOString());
  const step = isDrain ? departures.drain(machine, since) : departures.remove(machine, since);
  const { state, reason, message } = step;
  scope.setCondition(type, STATUSES[state], reason, message);
  if (state === 'waiting') return { requeueAfterMs: step.requeueAfterMs };
  recorder.event(machine, { type: state === 'done' ? 'Normal' : 'Warning', reason, message });
  return undefined;
}

const STATUSES = { waiting: 'False', done: 'True', skipped: 'Unknown' } as const satisfies Record<
  Step['state'],
  string
>;
