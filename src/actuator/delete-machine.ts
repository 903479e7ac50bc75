/** Removes a machine from its host: what Terraform knows, and proven leftovers. Call it in a session of the machine's state. */

import { isVolumeOf } from '../intent/names.ts';
import type { HostFacts } from '../libvirt/host-facts.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import type { State } from '../terraform/format/state.ts';
import type { ActuatorOptions } from './context/options.ts';
import type { StateSession } from './context/state-session.ts';
import { releaseAddresses } from './host/reservations.ts';
import { requireVisiblePools } from './host/volume-pools.ts';
import { ownDomain, shutDown } from './machine/guest.ts';
import { findLeftovers, removeLeftovers } from './machine/leftovers.ts';
import { type MachineLocation, poolsIn, volumesIn } from './machine/location.ts';
import { hasAllVolumes, withStateAtRisk } from './state/machine-journal.ts';
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
  const isComplete = await hasAllVolumes(home, state);
  await shutDown(options, machine, shutdownTimeoutMs, session, async () => observed);
  if (state?.resources.length) await withStateAtRisk(home, 'delete', () => session.destroy());
  const facts = await remaining(machine, state, observer, isComplete);
  requireVisiblePools(machine, facts, state);
  await removeLeftovers(await findLeftovers(machine, facts, observer, undefined), observer);
  await releaseAddresses(options, machine, machine.reservations);
  await home.discard();
  return facts;
}

/**
 * Observes the host with the volumes that may be left of the machine. A large pool takes long to list: where the state knew all volumes,
 * that is done only if one of them is still there.
 */
async function remaining(
  machine: MachineLocation,
  state: State | undefined,
  observer: Libvirt,
  isComplete: boolean,
): Promise<HostFacts> {
  if (isComplete) {
    const known = [...(machine.volumes ?? []), ...volumesIn(state)];
    const named = known.filter(({ name }) => isVolumeOf(machine, name));
    const facts = await observer.facts({ named });
    if (facts.volumes.length === 0) return facts;
  }
  return observer.facts({ volumesOf: [...new Set([...machine.pools, ...poolsIn(state)])] });
}
