/** Removes a machine from its host: what Terraform knows, and proven leftovers. Call it in a session of the machine's state. */

import type { HostFacts } from '../libvirt/host-facts.ts';
import type { ActuatorOptions } from './context/options.ts';
import type { StateSession } from './context/state-session.ts';
import { releaseAddresses } from './host/reservations.ts';
import { requireVisiblePools } from './host/volume-pools.ts';
import { ownDomain, shutDown } from './machine/guest.ts';
import { findLeftovers, removeLeftovers } from './machine/leftovers.ts';
import { type MachineLocation, poolsIn } from './machine/location.ts';
import { withStateAtRisk } from './state/machine-journal.ts';
import { refuseForeignState } from './state/ownership.ts';

/** See `Actuator.delete`. */
export async function deleteMachine(
  options: ActuatorOptions,
  session: StateSession,
  machine: MachineLocation,
  shutdownTimeoutMs: number,
): Promise<HostFacts> {
  const { home, terraform } = session;
  const state = await terraform.state();
  // Terraform would wait for a host that is away for much longer than a look does.
  const observed = await ownDomain(options, machine);
  await refuseForeignState(options, machine, state);
  const observer = options.libvirt(machine.uri);
  requireVisiblePools(machine, await observer.facts(), state);
  await shutDown(options, machine, shutdownTimeoutMs, session, async () => observed);
  if (state?.resources.length) await withStateAtRisk(home, 'delete', () => session.destroy());
  const facts = await observer.facts({ volumesOf: [...new Set([...machine.pools, ...poolsIn(state)])] });
  requireVisiblePools(machine, facts, state);
  await removeLeftovers(await findLeftovers(machine, facts, observer, undefined), observer);
  await releaseAddresses(options, machine, machine.reservations);
  await home.discard();
  return facts;
}
