/** Takes from the host what stands in the way of a machine that is to be made: leftovers of a broken run. */

import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { diskOfVolume } from '../../intent/names.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import { parseState, type State } from '../../terraform/format/state.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { StateHandle } from '../context/state-home.ts';
import type { StateSession } from '../context/state-session.ts';
import { findLeftovers, isEmpty, notOwned, removeLeftovers } from '../machine/leftovers.ts';
import { poolsOf } from '../machine/location.ts';
import { hasWholeDomain, mayRemoveUntracked } from '../state/machine-journal.ts';

export function factsOf({ libvirt }: ActuatorOptions, intent: MachineIntent): Promise<HostFacts> {
  return libvirt(intent.uri).facts({ volumesOf: poolsOf(intent) });
}

/**
 * `facts`: with the volumes that the intent names. All that a pool holds is looked at only after a broken run, for without one nothing
 * would be removed. Throws Terminal NotOwned for a domain of that name which is somebody else's. Returns whether all pools were
 * searched and hold nothing of the machine that `state` does not know; undefined: they were not searched.
 */
export async function clearLeftovers(
  options: ActuatorOptions,
  { home, onEvent }: StateSession,
  intent: MachineIntent,
  facts: HostFacts,
  state: State | undefined,
): Promise<boolean | undefined> {
  const observer = options.libvirt(intent.uri);
  const isExplained = await mayRemoveUntracked(home, state);
  if (!isExplained && isEmpty(await findLeftovers(intent, facts, observer, state))) return undefined;
  // Looked at again before anything is removed: the facts are from before the lock.
  const leftovers = await findLeftovers(intent, await factsOf(options, intent), observer, state);
  if (isEmpty(leftovers)) return true;
  if (leftovers.domain?.isOurs === false) throw notOwned(leftovers.domain.name);
  // Volumes of this machine that its spec no longer names, and no broken run explains: they stay, as their data may be wanted.
  if (!isExplained) return false;
  const removable = { ...leftovers, volumes: await neverInUse(leftovers.volumes, home) };
  const names = await removeLeftovers(removable, observer);
  if (names.length > 0) onEvent({ type: 'leftovers_removed', names });
  return removable.volumes.length === leftovers.volumes.length;
}

/**
 * Without the disks of a domain that an earlier serial of the state knows: a broken run explains what it has just made, and not what
 * was taken out of the state, or is of later than the serial that somebody has brought back.
 */
async function neverInUse<T extends { readonly volume: string }>(
  volumes: readonly T[],
  { history }: Pick<StateHandle, 'history'>,
): Promise<readonly T[]> {
  if (volumes.every(({ volume }) => diskOfVolume(volume) === undefined)) return volumes;
  const used = new Set<unknown>();
  for (const kept of await history.list()) {
    const state = parseState(await history.read(kept));
    if (!hasWholeDomain(state)) continue;
    for (const { attributes } of state?.resources ?? []) used.add(attributes['name']);
  }
  return volumes.filter(({ volume }) => diskOfVolume(volume) === undefined || !used.has(volume));
}
