/** Prints what a MachineSet or MachineDeployment would do to machines. */

import type { MachineChange, ReplicaPlan } from '../../app/replica-plan.ts';
import { COLOR, SIGN } from './plan.ts';
import type { Style } from './streams.ts';

export function replicaPlanText(plan: Omit<ReplicaPlan, 'samples'>, style: Style): string {
  const { kind, name, action, fields, machines, notes } = plan;
  const subject = `${kind.toLowerCase()}/${name}`;
  const isNothing = action === 'none' && machines.length === 0;
  const loses = machines.some((one) => one.action === 'delete' || one.action === 'replace');
  return [
    `${subject}: ${isNothing ? 'no changes' : headline(plan)}`,
    ...fields.map((field) => `      ${field}`),
    ...machines.map((one) => `  ${machineLine(one, style)}`),
    ...(loses ? ['  ! the disks of machines that are replaced or deleted go with them'] : []),
    ...notes.map((note) => `  ! ${note}`),
    '',
  ].join('\n');
}

function headline({ action, machines }: Pick<ReplicaPlan, 'action' | 'machines'>): string {
  const count = (wanted: MachineChange['action']) => machines.filter((one) => one.action === wanted).length;
  const counts = (['create', 'replace', 'delete'] as const)
    .map((wanted) => [wanted, count(wanted)] as const)
    .filter(([, machinesOf]) => machinesOf > 0)
    .map(([wanted, machinesOf]) => `${machinesOf} to ${wanted}`);
  const summary = counts.length > 0 ? `machines: ${counts.join(', ')}` : 'no machine is made or deleted';
  return action === 'none' ? summary : `${action}; ${summary}`;
}

function machineLine({ action, name, successor }: MachineChange, style: Style): string {
  switch (action) {
    case 'adopt':
      return style(
        'yellow',
        `~ machine/${name} joins it: it has no owner, and the selector selects its labels`,
      );
    case 'release':
      return style('yellow', `~ machine/${name} leaves it: the selector does not select its labels any more`);
    case 'replace':
      return style(COLOR.replace, `${SIGN['replace']} machine/${name}, by machine/${successor}`);
    default:
      return style(COLOR[action], `${SIGN[action]} machine/${name}`);
  }
}
