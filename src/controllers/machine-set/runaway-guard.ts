/**
 * A set that has many more machines than anyone ever asked it for does nothing until a person says so: a selector that suddenly
 * selects another's machines, or objects that were restored twice, must not end in the deletion of a fleet.
 */

import type { Machine } from '../../api/kinds/machine.ts';
import type { MachineSet } from '../../api/kinds/machine-set.ts';
import { mayProceed, overrideHint } from '../shared/proceed-until.ts';

/** Part of the machines asked for that there may be too many; at least one. */
const MARGIN = 0.2;

/** Why the set is frozen, and the ways out; undefined: it is not. `members`: all of the set. */
export function freezeReason(
  set: MachineSet,
  members: readonly Machine[],
  nowMs: number,
): string | undefined {
  const { spec, status, metadata } = set;
  const there = members.filter((machine) => !machine.metadata.deletionTimestamp).length;
  // Fewer may be asked for now than a moment ago: those were asked for, and go.
  const asked = Math.max(spec.replicas, status?.askedReplicas ?? status?.replicas ?? 0);
  const most = asked + Math.max(1, Math.ceil(asked * MARGIN));
  if (there <= most || mayProceed(set, nowMs)) return undefined;
  const { namespace = 'default', name } = metadata;
  return (
    `${there} machines exist, and ${asked} were asked for: none is deleted or made. Take away the label or the owner of those that ` +
    `do not belong to the set, or raise replicas; if the surplus may be deleted, ${overrideHint(`machineset -n ${namespace} ${name}`)}`
  );
}
