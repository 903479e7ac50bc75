/** Which machines of a MachineSet go first when there are too many. */

import type { Machine } from '../../api/kinds/machine.ts';
import type { MachineSet, MachineSetSpec } from '../../api/kinds/machine-set.ts';
import { shortHash } from '../../intent/names.ts';
import { areNodes, isAvailable, isReady } from '../shared/availability.ts';

/** A machine with one of these goes before all others. The second is the older spelling. */
export const DELETE_ANNOTATIONS = ['cluster-api.k8s.io/delete-machine', 'cluster.k8s.io/delete-machine'];

/**
 * First those that are going already, then those that a person marked, then the least useful ones: failed, not ready, not
 * available. That comes before the policy because a rolling update counts on it: it takes what is broken of the old
 * machines first, so that nobody notices. The policy decides among equals.
 */
export function inDeletionOrder(
  machines: readonly Machine[],
  { deletePolicy, minReadySeconds }: Pick<MachineSetSpec, 'deletePolicy' | 'minReadySeconds'>,
  nowMs: number,
): Machine[] {
  const compare = POLICIES[deletePolicy];
  const expectsNode = areNodes(machines);
  return machines
    .map((machine) => ({
      machine,
      rank: rank(machine, minReadySeconds, nowMs, expectsNode),
      lot: lotOf(machine),
    }))
    .sort((a, b) => a.rank - b.rank || compare(a.machine, b.machine) || (a.lot < b.lot ? -1 : 1))
    .map(({ machine }) => machine);
}

function rank(machine: Machine, minReadySeconds: number, nowMs: number, expectsNode: boolean): number {
  if (machine.metadata.deletionTimestamp) return 0;
  if (DELETE_ANNOTATIONS.some((name) => machine.metadata.annotations?.[name] !== undefined)) return 1;
  if (machine.status?.phase === 'Failed' || machine.status?.errorReason !== undefined) return 2;
  if (!isReady(machine, expectsNode)) return 3;
  return isAvailable(machine, minReadySeconds, nowMs, expectsNode) ? 5 : 4;
}

const POLICIES: Record<MachineSetSpec['deletePolicy'], (a: Machine, b: Machine) => number> = {
  Random: () => 0,
  Newest: (a, b) => madeAt(b) - madeAt(a),
  Oldest: (a, b) => madeAt(a) - madeAt(b),
};

/**
 * Random, and yet the same for whoever looks: two controllers that do not know of each other, or one before and after a
 * restart, choose the same machines and never delete twice as many.
 */
function lotOf({ metadata: { uid = '' } }: Machine): string {
  return shortHash(uid);
}

function madeAt(machine: Machine): number {
  return Date.parse(machine.metadata.creationTimestamp ?? '1970-01-01');
}

/** Those beyond replicas that are not on their way yet. */
export function machinesToDelete(set: MachineSet, members: readonly Machine[]): Machine[] {
  const surplus = members.length - set.spec.replicas;
  // Asked after each change of a machine, and an order takes a hash of each.
  if (surplus <= 0) return [];
  const first = inDeletionOrder(members, set.spec, Date.now()).slice(0, surplus);
  return first.filter(({ metadata }) => !metadata.deletionTimestamp);
}
