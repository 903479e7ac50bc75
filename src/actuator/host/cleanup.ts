/** Takes from the host what stands in the way of a machine that is to be made: leftovers of a broken run, and reservations. */

import type { MachineIntent } from '../../../stacks/intent.ts';
import { isOwnedBy } from '../../intent/names.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { State } from '../../terraform/format/state.ts';
import type { ActuatorOptions } from '../options.ts';
import { explainsLeftovers } from '../state/machine-journal.ts';
import type { Recovery } from '../state/recover-machine.ts';
import type { HostedMachine } from './guest.ts';
import { findLeftovers, isEmpty, notOwned, removeLeftovers } from './leftovers.ts';
import { poolsOf, type ReservedAddresses } from './machine-location.ts';

export function factsOf({ libvirt }: ActuatorOptions, intent: MachineIntent): Promise<HostFacts> {
  return libvirt(intent.uri).facts({ volumesOf: poolsOf(intent) });
}

/**
 * `facts`: with the volumes that the intent names. All that a pool holds is looked at only after a broken run, for without one nothing
 * would be removed. Throws Terminal NotOwned for a domain of that name which is somebody else's.
 */
export async function clearLeftovers(
  options: ActuatorOptions,
  { intent, home, run }: Pick<Recovery, 'intent' | 'home' | 'run'>,
  facts: HostFacts,
  state: State | undefined,
): Promise<void> {
  const observer = options.libvirt(intent.uri);
  const isExplained = await explainsLeftovers(home, state);
  if (!isExplained && isEmpty(await findLeftovers(intent, facts, observer, state))) return;
  // Looked at again before anything is removed: the facts are from before the lock.
  const leftovers = await findLeftovers(intent, await factsOf(options, intent), observer, state);
  if (isEmpty(leftovers)) return;
  if (leftovers.domain?.isOurs === false) throw notOwned(leftovers.domain.name);
  // Volumes of this machine that its spec no longer names, and no broken run explains: they stay, as their data may be wanted.
  if (!isExplained) return;
  run.onEvent?.({ type: 'leftovers_removed', names: await removeLeftovers(leftovers, observer) });
}

/** The provider makes reservations and never takes them back (0.8.3); one that stays blocks its address for the next. */
export async function releaseAddresses(
  options: ActuatorOptions,
  machine: HostedMachine,
  reservations: readonly ReservedAddresses[],
): Promise<void> {
  if (reservations.length === 0) return;
  const libvirt = options.libvirt(machine.uri);
  const others = (await libvirt.domains()).filter(({ description }) => !isOwnedBy(machine, description));
  const foreign = new Set(others.flatMap(({ interfaces }) => interfaces.map(({ mac }) => mac)));
  for (const { network, hostname, addresses } of reservations) {
    await libvirt.removeReservations(network, hostname, addresses, foreign);
  }
}
