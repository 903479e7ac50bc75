/** Whether somebody asked for what the machine is not: a new machine, or a changed specification. */

import { intentHash } from '../../intent/machine-intent.ts';
import type { ResolvedMachine } from '../../intent/resolve-machine.ts';
import type { MachineScope } from './scope.ts';

/** What was asked for, in a few words for an event; undefined: nothing that was not applied. */
export function changeAskedFor(scope: MachineScope, { intent }: ResolvedMachine): string | undefined {
  const { appliedHash } = scope.providerStatus;
  if (appliedHash === undefined) return 'the machine is new';
  return appliedHash === intentHash(intent) ? undefined : 'the specification changed';
}
