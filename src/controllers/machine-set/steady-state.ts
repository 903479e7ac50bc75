/** Whether a MachineSet has its machines: then a change of one of them takes no more than to count. */

import type { Machine } from '../../api/kinds/machine.ts';
import type { MachineSet } from '../../api/kinds/machine-set.ts';
import { FINALIZER } from '../../api/schema/group.ts';
import { isControlledBy } from '../../apimachinery/owner-reference.ts';
import { changeOfOwner } from '../shared/claim-members.ts';
import { machinesToDelete } from './deletion-order.ts';
import { NEXT_MACHINE_ANNOTATION, nextOrdinal } from './ordinals.ts';

/**
 * The members, if by what is seen nobody comes or goes; undefined: look at what is stored. `set`: with its defaults; `machines`: all of
 * the namespace.
 */
export function steadyMembers(set: MachineSet, machines: readonly Machine[]): readonly Machine[] | undefined {
  const { finalizers = [], annotations = {} } = set.metadata;
  const members = machines.filter((machine) => isControlledBy(machine, set));
  const remembered = annotations[NEXT_MACHINE_ANNOTATION] ?? '0';
  const isSettled =
    finalizers.includes(FINALIZER) &&
    String(nextOrdinal(set, members)) === remembered &&
    machines.every((machine) => changeOfOwner(set, machine) === undefined) &&
    members.length >= set.spec.replicas &&
    machinesToDelete(set, members).length === 0;
  return isSettled ? members : undefined;
}
