/**
 * Brings the state of a host back that no longer knows what is there: from the serials that were kept, or base images by import.
 * What is taken for ours is proven to be: of a network or pool a kept serial has the UUID, or a note says that a run broke while it
 * made it; the name of an image says so, and a disk that stands on it that its upload came to an end. Other images are left to
 * Terraform, which uploads them anew.
 */

import {
  type ImportedObject,
  isSame,
  objectsOfHost,
  type StackObject,
} from '../../../stacks/import-stack.ts';
import { resourceId } from '../../../stacks/resource-id.ts';
import { TerminalError } from '../../errors.ts';
import type { HostIntent } from '../../intent/hosted-intent.ts';
import { isImageVolume, readVolumeName } from '../../intent/names.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { virshCommand } from '../../libvirt/virsh-command.ts';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import { parseState, type State, StateCorruptError } from '../../terraform/format/state.ts';
import type { KeptState } from '../../terraform/state-history.ts';
import type { Terraform } from '../../terraform/terraform.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { StateHandle } from '../context/state-home.ts';
import type { StateSession } from '../context/state-session.ts';
import { handedOver } from './handed-over.ts';
import { type FoundObject, includes, pendingCreates, resolvePendingCreates } from './host-journal.ts';
import { knows, nextSerial } from './recover-machine.ts';
import { importAside } from './scratch-import.ts';
import { knownState } from './torn-state.ts';

/**
 * A state that is gone, or empty, becomes the one that was kept last, whatever of it is still wanted: only a state that knows
 * what is no longer wanted removes it.
 */
export async function restoreHostState(options: ActuatorOptions, session: StateSession): Promise<void> {
  const { home } = session;
  const state = await session.terraform.state();
  if (state?.resources.length) return;
  const kept = await home.history.list();
  const [last] = kept;
  if (!last?.resources) return;
  const restored = new ImportedState(await home.history.read(last));
  await push(session, restored, state, kept);
  tell(options, session, `serial ${last.serial}`);
}

/**
 * Brings what `intent` names, and is there, into the state; also what a broken run had `begun` and nobody wants any more, so that it
 * can go. Costs a look at the host. Throws TerminalError NotOwned for a network or pool that nothing proves to
 * be ours.
 */
export async function completeHostState(
  options: ActuatorOptions,
  session: StateSession,
  intent: HostIntent,
  begun: readonly StackObject[],
): Promise<void> {
  const { libvirt } = options;
  const { uri, home, terraform } = session;
  const state = await terraform.state();
  const wanted = objectsOfHost(intent);
  const unwanted = begun.filter((one) => !includes(wanted, one));
  // Of a network or pool that was made anew, the state may know the one that is gone.
  const inDoubt = [...wanted, ...unwanted].filter(
    (one) => one.type !== 'libvirt_volume' || !knows(state, one),
  );
  const there = inDoubt.length > 0 ? await findExisting(libvirt(uri), inDoubt, unwanted) : [];
  let lacking = there.filter((one) => !containsExact(state, one));
  if (lacking.length === 0) return;
  const kept = await home.history.list();
  const isGone = await elsewhere(home);
  let text = await terraform.stateText();
  if (text !== '') text = new ImportedState(text).only((one) => !includes(lacking, one)).text;
  const add = (more: ImportedState) => {
    text = text === '' ? more.text : more.addedTo(text).text;
  };
  const told: (() => void)[] = [];
  for (const one of kept) {
    const older = await home.history.read(one);
    const found = lacking.filter((object) => !isGone(object) && containsExact(parseState(older), object));
    if (found.length === 0) continue;
    add(new ImportedState(older).only((resource) => found.some((object) => isSame(object, resource))));
    lacking = lacking.filter((object) => !found.includes(object));
    told.push(() => tell(options, session, `serial ${one.serial}`, found));
  }
  const foreign = lacking.find((one) => one.type !== 'libvirt_volume' && !includes(begun, one));
  if (foreign) throw notOurs(libvirt(uri).uri, foreign);
  lacking = await resolvePendingCreates(libvirt(uri), lacking);
  if (lacking.length > 0) {
    add(await importFound(session, lacking, poolsOf(intent, state, lacking)));
    told.push(() => tell(options, session, 'import', lacking));
  }
  if (told.length === 0) return;
  await push(session, new ImportedState(text), state, kept);
  for (const say of told) say();
}

/**
 * Throws TerminalError NotOwned for a network or pool of `intent` that is there, and that neither the state, nor a kept serial, nor the
 * note of a broken run knows: `completeHostState` would refuse it, too.
 */
export async function refuseForeignObjects(
  { terraform, libvirt }: ActuatorOptions,
  { uri, home }: Pick<StateSession, 'uri' | 'home'>,
  intent: HostIntent,
): Promise<void> {
  const shared = objectsOfHost(intent).filter(({ type }) => type !== 'libvirt_volume');
  const begun = await pendingCreates(home);
  const unproven = shared.filter((one) => !includes(begun, one));
  if (unproven.length === 0) return;
  let foreign = await findExisting(libvirt(uri), unproven, []);
  const kept = await home.history.list();
  const isGone = await elsewhere(home);
  const states = [
    () => knownState({ terraform }, home),
    ...kept.map((one) => async () => parseState(await home.history.read(one))),
  ];
  for (const read of states) {
    if (foreign.length === 0) return;
    const state = await read();
    foreign = foreign.filter((one) => isGone(one) || !containsExact(state, one));
  }
  const [first] = foreign;
  if (first) throw notOurs(libvirt(uri).uri, first);
}

/** True if all of `intent` is in the state, and whole. A state that cannot be read is not lost: it waits for a person. */
export async function knowsAll(
  terraform: Terraform,
  { workspace }: StateHandle,
  intent: HostIntent,
): Promise<boolean> {
  try {
    const state = await terraform.state(workspace);
    const whole = state && { ...state, resources: state.resources.filter(({ tainted }) => !tainted) };
    return objectsOfHost(intent).every((object) => knows(whole, object));
  } catch (error) {
    if (error instanceof StateCorruptError) return true;
    throw error;
  }
}

/** What of the networks and pools of `intent` the state knows, whole, and is active on the host: that very one. */
export async function standingObjects(
  libvirt: Libvirt,
  state: State | undefined,
  { networks, pools }: HostIntent,
): Promise<StackObject[]> {
  const whole = state && { ...state, resources: state.resources.filter(({ tainted }) => !tainted) };
  const known = objectsOfHost({ networks, pools, images: [] }).filter((one) => knows(whole, one));
  if (known.length === 0) return [];
  const found = await findExisting(libvirt, known, []);
  return found.filter((one) => one.isActive && containsExact(whole, one));
}

/** Those that are on the host, with the ids that the provider gives them. An image that is wanted only if it is known to be whole. */
export async function findExisting(
  libvirt: Libvirt,
  objects: readonly StackObject[],
  unwanted: readonly StackObject[],
): Promise<FoundObject[]> {
  const namesOf = (type: StackObject['type']) =>
    objects.filter((one) => one.type === type).map(({ object }) => object);
  const { networks, pools, volumes } = await libvirt.facts({
    networks: namesOf('libvirt_network'),
    volumesOf: [...namesOf('libvirt_pool'), ...objects.flatMap(({ pool }) => pool ?? [])],
  });
  const find = ({ type, object, pool }: StackObject) => {
    if (type === 'libvirt_volume') {
      return { id: volumes.find((one) => one.pool === pool && one.name === object)?.path, isActive: true };
    }
    const found = (type === 'libvirt_network' ? networks : pools).find(({ name }) => name === object);
    return { id: found?.details?.uuid, isActive: found?.active ?? false };
  };
  const there = objects.flatMap((object) => {
    const { id, isActive } = find(object);
    return id === undefined ? [] : [{ ...object, id, isActive }];
  });
  const isInDoubt = (one: FoundObject) => one.type === 'libvirt_volume' && !includes(unwanted, one);
  const images = there.filter((one) => isInDoubt(one) && isImageVolume(one.object));
  const whole = images.length > 0 ? await basesAmong(libvirt, new Set(images.map(({ id }) => id))) : [];
  return there.filter((one) => !isInDoubt(one) || whole.includes(one.id));
}

/** Those of the paths on which root disks of machines stand: one is made only when its image is whole. */
async function basesAmong(libvirt: Libvirt, paths: ReadonlySet<string>): Promise<string[]> {
  const found = new Set<string>();
  for (const { pool, name } of (await libvirt.inventory()).volumes) {
    if (found.size === paths.size) break;
    if (!readVolumeName(name)?.role.startsWith('root')) continue;
    const base = (await libvirt.volume(pool, name))?.backingPath;
    if (base !== undefined && paths.has(base)) found.add(base);
  }
  return [...found];
}

/** The provider reads all of an image but its source, which is ignored. */
async function importFound(
  session: StateSession,
  objects: readonly ImportedObject[],
  pools: ReadonlySet<string>,
): Promise<ImportedState> {
  return importAside(session, objects, async (imported) =>
    // Removed at once with its pool, an image would be looked for in one that is gone.
    imported.withDependencies((resource) => {
      const { pool = '' } = objects.find((one) => isSame(one, resource)) ?? {};
      return pools.has(pool) ? [`libvirt_pool.${resourceId('pool', pool)}`] : undefined;
    }),
  );
}

/** Names of the pools that are ours: that are wanted, or known, or found. */
function poolsOf(intent: HostIntent, state: State | undefined, found: readonly StackObject[]): Set<string> {
  const known = state?.resources.filter(({ type }) => type === 'libvirt_pool') ?? [];
  return new Set([
    ...intent.pools.map(({ name }) => name),
    ...known.map(({ attributes }) => String(attributes['name'])),
    ...found.flatMap(({ type, object }) => (type === 'libvirt_pool' ? object : [])),
  ]);
}

async function push(
  session: StateSession,
  wanted: ImportedState,
  state: State | undefined,
  kept: readonly KeptState[],
): Promise<void> {
  const lineage = state?.lineage ?? kept[0]?.lineage;
  await session.pushState(wanted.numbered(nextSerial(state, kept), lineage).text);
}

function tell(
  { libvirt }: ActuatorOptions,
  { uri, onEvent }: StateSession,
  from: string,
  found: readonly StackObject[] = [],
): void {
  const objects = found.map(({ object }) => object);
  onEvent({ type: 'state_recovered', host: libvirt(uri).uri, from, objects });
}

/** Tells what went to another management cluster: that a kept serial knows it does not make it ours. */
async function elsewhere(home: StateHandle): Promise<(object: ImportedObject) => boolean> {
  const noted = await handedOver(home);
  return ({ id }) => noted[id] !== undefined;
}

/** The very object, and not another one of its name. */
function containsExact(state: State | undefined, object: ImportedObject): boolean {
  return state?.resources.some((one) => isSame(object, one) && one.attributes['id'] === object.id) ?? false;
}

function notOurs(uri: string, { type, object }: StackObject): TerminalError {
  const [what, command] = type === 'libvirt_network' ? ['network', 'net'] : ['pool', 'pool'];
  return new TerminalError({
    code: 'NotOwned',
    message: `${uri} has a ${what} "${object}" that the Cluster is to manage, and no Terraform state tracks it: it was created outside of CAPLV, or its state and all kept serials are lost`,
    fix: `to use it as it is, give only the name of the ${what} in the Cluster; to have it created again when it is unused: ${virshCommand(uri, `${command}-destroy`, object)}, then ${command}-undefine ${object}`,
  });
}
