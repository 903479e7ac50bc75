/**
 * A note beside the state of a host of what a run is about to make there, from before it begins until one has succeeded. Libvirt has
 * no place for a mark on networks and pools: the note is the proof that one which no state knows comes from a broken run of ours.
 */

import * as z from 'zod';
import {
  type ImportedObject,
  isSame,
  objectsOfHost,
  type StackObject,
} from '../../../stacks/import-stack.ts';
import type { HostIntent } from '../../intent/hosted-intent.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { Plan } from '../../terraform/format/plan.ts';
import type { ResourceChange } from '../../terraform/format/resource-change.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { StateHandle } from '../context/state-home.ts';

/** The note of what was applied last, beside a state of a host. Absent, what is there is in doubt. */
export const APPLIED = 'applied';
const NOTE = 'making';
const MAKES: ReadonlySet<ResourceChange['action']> = new Set(['create', 'replace']);

/** What is on the host and not in the state. */
export interface FoundObject extends ImportedObject {
  /** False: a network or pool that serves nobody. */
  readonly isActive: boolean;
}

/** Before `plan`, which brings the host to `intent`, is applied. `begun`: what is noted already. */
export async function recordPendingCreates(
  { notes }: StateHandle,
  intent: HostIntent,
  { changes }: Pick<Plan, 'changes'>,
  begun: readonly StackObject[],
): Promise<void> {
  const addresses = changes.filter(({ action }) => MAKES.has(action)).map(({ address }) => address);
  const made = objectsOfHost(intent).filter(({ type, name }) => addresses.includes(`${type}.${name}`));
  if (made.length === 0) return;
  const noted = [...begun.filter((one) => !includes(made, one)), ...made];
  await notes.write(NOTE, JSON.stringify(noted));
}

/** What is noted: of a broken run, what it was about to make. */
export async function pendingCreates({ notes }: StateHandle): Promise<readonly StackObject[]> {
  return readPendingCreates(await notes.read(NOTE));
}

const text = z.string().min(1).max(1_024);
const schema = z
  .array(
    z.strictObject({
      type: z.enum(['libvirt_network', 'libvirt_pool', 'libvirt_volume']),
      name: text,
      object: text,
      pool: text.exactOptional(),
    }),
  )
  .max(10_000);

/** Reads the note. One that is not of this shape proves nothing: what it may have named is removed and taken over by nobody. */
export function readPendingCreates(note: string | undefined): readonly StackObject[] {
  try {
    return schema.safeParse(JSON.parse(note ?? '[]')).data ?? [];
  } catch {
    return [];
  }
}

/** Forgets what is in the state by now, or gone: all but what `isKept`. */
export async function keepMaking(home: StateHandle, isKept: (one: StackObject) => boolean): Promise<void> {
  const noted = await pendingCreates(home);
  const kept = noted.filter(isKept);
  if (kept.length === noted.length) return;
  if (kept.length === 0) await home.notes.remove(NOTE);
  else await home.notes.write(NOTE, JSON.stringify(kept));
}

/** True if nothing is known of it, and nothing was: no state, no history, no broken run. */
export async function isUnused(
  { terraform }: Pick<ActuatorOptions, 'terraform'>,
  home: StateHandle,
): Promise<boolean> {
  const state = await terraform.state(home.workspace);
  if (state?.resources.length || (await pendingCreates(home)).length > 0) return false;
  const [last] = await home.history.list();
  return !last?.resources;
}

/**
 * What a broken run made of networks and pools: one that is not active serves nobody, and goes; returns the others, which somebody
 * may use by now.
 */
export async function resolvePendingCreates(
  libvirt: Libvirt,
  found: readonly FoundObject[],
): Promise<FoundObject[]> {
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
export function includes(
  objects: readonly Parameters<typeof isSame>[0][],
  object: Parameters<typeof isSame>[1],
): boolean {
  return objects.some((one) => isSame(one, object));
}
