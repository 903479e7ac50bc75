/**
 * Names of a MachineSet's machines: `workers-0`, `workers-1`, … counted on for the life of the set.
 *
 * They are how a set never has more machines than it was asked for. Which name comes next follows from what exists, so
 * whoever looks at the same machines, be it the controller after a restart in the middle or a second one that does not
 * know of the first, makes the same names in the same order, and the store lets only one of them make each. Random names
 * would need expectations in memory, which a restart loses. This relies on lists that are not stale: whatever makes or deletes
 * a machine reads what is stored, not a watch cache.
 *
 * A number is not used again when its machine is gone, since a new machine must not be taken for the old one by its Node,
 * its DHCP lease or a log. So the set remembers the next number in an annotation; should that be lost, it goes on after the
 * largest number that exists. The numbers say nothing of order or identity; they may have gaps.
 */

import type { Machine } from '../../api/kinds/machine.ts';
import type { MachineSet } from '../../api/kinds/machine-set.ts';

/** On a MachineSet: number of the machine that it makes next. */
export const NEXT_MACHINE_ANNOTATION = 'cluster-api.k8s.io/next-machine';

/** The number to go on with: what the set remembers, or what its machines show if that is more. */
export function nextOrdinal(set: MachineSet, machines: readonly Machine[]): number {
  const remembered = Number.parseInt(set.metadata.annotations?.[NEXT_MACHINE_ANNOTATION] ?? '0', 10) || 0;
  const seen = machines.map((machine) => ordinalOf(set, machine) + 1);
  return seen.reduce((most, one) => Math.max(most, one), remembered);
}

/** The next `count` names from number `first` that nothing has; `taken`: names of all Machines of the namespace. */
export function newMachineNames(
  set: MachineSet,
  first: number,
  count: number,
  taken: ReadonlySet<string>,
): string[] {
  const names: string[] = [];
  for (let ordinal = first; names.length < count; ordinal++) {
    const name = `${set.metadata.name}-${ordinal}`;
    if (!taken.has(name)) names.push(name);
  }
  return names;
}

/** -1: the machine has another name, since it was adopted. */
function ordinalOf(set: MachineSet, machine: Machine): number {
  const { name } = machine.metadata;
  const suffix = name.slice(set.metadata.name.length);
  const isOurs = name.startsWith(set.metadata.name) && /^-(0|[1-9]\d{0,14})$/.test(suffix);
  return isOurs ? Number(suffix.slice(1)) : -1;
}
