/** Lets networks and pools of a host go to another management cluster, and takes over those that came from one: see state/handed-over.ts. */

import { randomUUID } from 'node:crypto';
import { isSame } from '../../../stacks/import-stack.ts';
import { TransientError } from '../../errors.ts';
import type { PartNames } from '../../intent/hosted-intent.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import type { ActuatorOptions, VerbOptions } from '../context/options.ts';
import { withState } from '../context/state-session.ts';
import { handedOver, noteHandedOver } from '../state/handed-over.ts';
import { APPLIED, includes, pendingCreates } from '../state/host-journal.ts';
import { movedParts, objectsNamed, readMovedParts, stateOf } from '../state/moved-parts.ts';
import { findExisting, restoreHostState } from '../state/recover-host.ts';
import { nextSerial } from '../state/recover-machine.ts';
import { readApplied } from './host-parts.ts';

export interface HandOver {
  readonly names: PartNames;
  /** Uid of the Cluster that goes, and manages them. */
  readonly cluster: string;
  /** Keeps what the other management cluster needs to take them over; see `takeOverParts`. Ends before they are handed over. */
  readonly save: (parts: string) => Promise<void>;
}

/** Hands over what the state knows of those networks and pools. Changes nothing on the host. Throws StateLockedError, Terminal StateCorruptError. */
export async function handOverParts(
  options: ActuatorOptions,
  uri: AllowedHost,
  { names, cluster, save }: HandOver,
  { onEvent }: VerbOptions,
): Promise<void> {
  const home = await options.workspaces.host(uri);
  if (!(await home.exists()) && (await home.history.list()).length === 0) return;
  await withState(options, uri, home, { operation: 'move', onEvent }, async (session) => {
    await session.saveErroredState();
    await restoreHostState(options, session);
    const objects = objectsNamed(names);
    const broken = (await pendingCreates(home)).find((one) => includes(objects, one));
    if (broken)
      throw new TransientError({
        code: 'Conflict',
        message: `"${broken.object}" on ${uri} was not made to the end`,
        fix: 'end the pause of the Cluster, and move it when its LibvirtCluster is ready',
      });
    const parts = movedParts(await session.terraform.stateText(), objects);
    if (parts === undefined) return;
    await save(parts);
    const known = (await session.terraform.state())?.resources ?? [];
    const ids = known
      .filter((one) => includes(objects, one))
      .map(({ attributes }) => String(attributes['id']));
    await noteHandedOver(home, {
      ...(await handedOver(home)),
      ...Object.fromEntries(ids.map((id) => [id, cluster])),
    });
    // Whoever wants them from now on has to look at the note.
    const applied = Object.entries(readApplied(await home.notes.read(APPLIED)));
    const others = applied.filter(
      ([address]) => !objects.some(({ type, name }) => `${type}.${name}` === address),
    );
    await home.notes.write(APPLIED, JSON.stringify(Object.fromEntries(others)));
  });
}

/**
 * Brings into the state what came with a Cluster from another management cluster, as far as it is on the host and among `names`; what was
 * handed over here and did not go is no longer said to go. Changes nothing on the host. Throws as `handOverParts`, and LibvirtUnreachable.
 */
export async function takeOverParts(
  options: ActuatorOptions,
  uri: AllowedHost,
  names: PartNames,
  parts: string,
  { onEvent }: VerbOptions,
): Promise<void> {
  const { libvirt, workspaces } = options;
  const there = await findExisting(libvirt(uri), objectsNamed(names), []);
  const moved = readMovedParts(parts, there);
  if (moved.length === 0) return;
  const home = await workspaces.host(uri);
  await withState(options, uri, home, { operation: 'move', onEvent }, async (session) => {
    const { terraform } = session;
    await session.saveErroredState();
    await restoreHostState(options, session);
    const state = await terraform.state();
    if (moved.some((one) => !includes(state?.resources ?? [], one))) {
      const text = await terraform.stateText();
      const kept = await home.history.list();
      const own = new ImportedState(stateOf(moved, state?.lineage ?? kept[0]?.lineage ?? randomUUID()));
      const whole = text === '' ? own : own.addedTo(text);
      await session.pushState(whole.numbered(nextSerial(state, kept)).text);
    }
    const taken = new Set(there.filter((one) => moved.some((part) => isSame(one, part))).map(({ id }) => id));
    const noted = Object.entries(await handedOver(home));
    const left = noted.filter(([id]) => !taken.has(id));
    if (left.length < noted.length) await noteHandedOver(home, Object.fromEntries(left));
  });
}
