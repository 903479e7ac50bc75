/**
 * A note beside the state of a host of what a run is about to make there, from before it begins until one has succeeded. Libvirt has
 * no place for a mark on networks and pools: the note is the proof that one which no state knows comes from a broken run of ours.
 */

import {
  type ImportedObject,
  isSame,
  objectsOfHost,
  type StackObject,
} from '../../../stacks/import-stack.ts';
import type { HostIntent } from '../../../stacks/intent.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { Plan } from '../../terraform/format/plan.ts';
import type { ResourceChange } from '../../terraform/format/resource-change.ts';
import type { StackHome } from './state-home.ts';

const NOTE = 'making';
const MAKES: ReadonlySet<ResourceChange['action']> = new Set(['create', 'replace']);

/** What is on the host and not in the state. */
export interface FoundObject extends ImportedObject {
  /** False: a network or pool that serves nobody. */
  readonly isActive: boolean;
}

/** Before `plan`, which makes `intent` true, is applied. `begun`: what is noted. Returns what then is. */
export async function noteMaking(
  { notes }: StackHome,
  intent: HostIntent,
  { changes }: Plan,
  begun: readonly StackObject[],
): Promise<readonly StackObject[]> {
  const addresses = changes.filter(({ action }) => MAKES.has(action)).map(({ address }) => address);
  const made = objectsOfHost(intent).filter(({ type, name }) => addresses.includes(`${type}.${name}`));
  if (made.length === 0) return begun;
  const noted = [...begun.filter((one) => !includes(made, one)), ...made];
  await notes.write(NOTE, JSON.stringify(noted));
  return noted;
}

/** What is noted: of a broken run, what it was about to make. */
export async function begunObjects({ notes }: StackHome): Promise<StackObject[]> {
  const text = await notes.read(NOTE);
  return text === undefined ? [] : JSON.parse(text);
}

/** When all of it is in the state. */
export async function forgetMaking({ notes }: StackHome): Promise<void> {
  await notes.remove(NOTE);
}

/**
 * What a broken run made of networks and pools: one that is not active serves nobody, and goes; returns the others, which somebody
 * may use by now.
 */
export async function finishMaking(libvirt: Libvirt, found: readonly FoundObject[]): Promise<FoundObject[]> {
  for (const { type, id, isActive } of found) {
    if (type === 'libvirt_volume') continue;
    const kind = type === 'libvirt_network' ? 'network' : 'pool';
    if (!isActive) await libvirt.removeInactive(kind, id);
    // The last that the provider does for a pool, and does not look at again.
    else if (kind === 'pool') await libvirt.autostartPool(id);
  }
  return found.filter(({ isActive }) => isActive);
}

/** Whether one of them has the address of `object`. */
export function includes(objects: readonly StackObject[], object: Parameters<typeof isSame>[1]): boolean {
  return objects.some((one) => isSame(one, object));
}
