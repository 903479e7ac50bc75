/** Makes a machine in one run: with an empty state nothing can be destroyed. Call it in a session of the machine's state. */

import type { HostFacts } from '../libvirt/host-facts.ts';
import type { ActuatorOptions, UpdateOptions } from './context/options.ts';
import type { StateSession } from './context/state-session.ts';
import { clearLeftovers } from './host/cleanup.ts';
import { claimAddresses } from './host/reservations.ts';
import { refuseDisguisedVolumes } from './host/volume-guard.ts';
import { beginOperation, clearPendingOperation } from './state/machine-journal.ts';
import { recoverState } from './state/recover-machine.ts';
import { type Change, changeMachine } from './update-machine.ts';

/** See `Actuator.create`. */
export async function createMachine(
  options: ActuatorOptions,
  session: StateSession,
  change: Change,
  facts: HostFacts,
  update: UpdateOptions,
): Promise<void> {
  const { intent, config } = change;
  const { home, terraform } = session;
  const state = await terraform.state();
  // Somebody else made it while we waited for the lock, or it was made before and its state is lost.
  if (state?.resources.length || (await recoverState(options, session, intent, facts, state)))
    return changeMachine(options, session, change, facts, update);
  const isClear = (await clearLeftovers(options, session, intent, facts, state)) ?? update.isFirst ?? false;
  await refuseDisguisedVolumes(intent, facts, options.libvirt(intent.uri), options.policy);
  await claimAddresses(options, intent);
  await beginOperation(home, 'create');
  await terraform.apply(config);
  await clearPendingOperation(home, isClear ? await terraform.state() : undefined);
}
