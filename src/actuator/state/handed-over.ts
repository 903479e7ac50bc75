/**
 * A note beside the state of a host of the networks and pools that went, or are about to go, to another management cluster with the
 * Cluster that manages them. The state knows them for as long as that Cluster is here and wants them; then it forgets them, so that
 * nothing removes from the host what others look after. The note stays, as kept serials of the state know them, too.
 */

import * as z from 'zod';
import { objectsOfHost } from '../../../stacks/import-stack.ts';
import type { HostIntent } from '../../intent/hosted-intent.ts';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import type { StateResource } from '../../terraform/format/state.ts';
import type { StateHandle } from '../context/state-home.ts';
import type { StateSession } from '../context/state-session.ts';
import { includes } from './host-journal.ts';
import { nextSerial } from './recover-machine.ts';

const NOTE = 'handed-over';

/** By the UUID of a network or pool: the uid of the Cluster that it was handed over with. */
export type HandedOver = Readonly<Record<string, string>>;

const schema = z.record(z.string().max(1_024), z.string().max(1_024));

export async function handedOver({ notes }: Pick<StateHandle, 'notes'>): Promise<HandedOver> {
  return readHandedOver(await notes.read(NOTE));
}

/** Reads the note. One that is not of this shape names nothing. */
export function readHandedOver(note: string | undefined): HandedOver {
  try {
    return schema.safeParse(JSON.parse(note ?? '{}')).data ?? {};
  } catch {
    return {};
  }
}

export async function noteHandedOver({ notes }: Pick<StateHandle, 'notes'>, all: HandedOver): Promise<void> {
  if (Object.keys(all).length === 0) await notes.remove(NOTE);
  else await notes.write(NOTE, JSON.stringify(all));
}

/** The networks and pools of a state that went to another management cluster: their Cluster is not here any more, or does not want them. */
export function goneParts(
  resources: readonly StateResource[],
  noted: HandedOver,
  wanted: HostIntent,
): StateResource[] {
  const here = objectsOfHost({ ...wanted, images: [] });
  return resources.filter((one) => {
    const cluster = noted[String(one.attributes['id'])];
    if (cluster === undefined) return false;
    return !includes(here, one) || !(wanted.clusters?.includes(cluster) ?? true);
  });
}

/** Lets the state forget those; nothing is changed on the host. */
export async function forgetGoneParts(session: StateSession, wanted: HostIntent): Promise<void> {
  const { home, terraform } = session;
  const noted = await handedOver(home);
  if (Object.keys(noted).length === 0) return;
  const state = await terraform.state();
  const gone = goneParts(state?.resources ?? [], noted, wanted);
  if (gone.length === 0) return;
  const names = new Set(gone.flatMap(({ type, name }) => [`${type}.${name}`, shapeOf(name)]));
  const rest = new ImportedState(await terraform.stateText()).only(
    ({ type, name }) => !names.has(`${type}.${name}`),
  );
  await session.pushState(rest.numbered(nextSerial(state, await home.history.list())).text);
}

/** Address of what a network is replaced with; see HostStack. */
export function shapeOf(network: string): string {
  return `terraform_data.${network.replace(/^network_/, 'shape_')}`;
}
