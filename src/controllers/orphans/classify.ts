/**
 * Orphans: what is on a host by our names or marks and in no Terraform state. What becomes of each is decided here, from a
 * look at the host and from what the objects and the states say; nothing is changed.
 */

import type { ObjectKey } from '../../apimachinery/object.ts';
import { formatKey } from '../../apimachinery/object-key.ts';
import {
  domainName,
  imagePrefix,
  isInfrastructure,
  type MachineIdentity,
  readMark,
  readVolumeName,
} from '../../intent/names.ts';
import type { DomainDefinition } from '../../libvirt/domain.ts';
import { hostIdentity, redactUri } from '../../libvirt/host-uri.ts';
import type { HostInventory } from '../../libvirt/inventory.ts';

export interface Orphan {
  readonly kind: 'domain' | 'volume' | 'image' | 'reservation';
  readonly name: string;
  /** Of volumes and images. */
  readonly pool?: string;
  /** Of reservations. */
  readonly network?: string;
  /** Whose it is, as its name or mark says. Of a Machine that is gone, a volume tells only the start of the uid. */
  readonly machine?: MachineIdentity;
  /** That Machine exists. */
  readonly ownerExists?: boolean;
  /** `adopt`: into the state of its Machine, which lives. `keep`: it is not provably ours, or not ours to remove. */
  readonly action: 'adopt' | 'remove' | 'keep';
  readonly why: string;
}

/** A Machine that exists. */
export interface ExistingMachine extends MachineIdentity {
  /** False: it is being made, or being deleted; what is there of it is in somebody's hands. */
  readonly isSettled: boolean;
  /** libvirt URI of its host; undefined: it has none yet. */
  readonly uri: string | undefined;
  /** Volume that its root disk stands on, if it was imported. */
  readonly image?: { readonly pool: string; readonly volume: string };
}

/** Names of libvirt objects in a state; domains by UUID. `corrupt`: nobody knows. */
export type KnownState =
  | { readonly domains: ReadonlySet<string>; readonly volumes: ReadonlySet<string> }
  | 'corrupt';

export interface ClusterView {
  /** libvirt URI of the host that was looked at. */
  readonly uri: string;
  readonly installation: string;
  readonly machines: readonly ExistingMachine[];
  /** False: the Machines of that namespace are not among them, and nothing can be said of what it has on the host. */
  readonly isWatched: (namespace: string) => boolean;
  /** By `namespace/name`. */
  readonly states: ReadonlyMap<string, KnownState>;
  /** State of what machines share on this host. */
  readonly host: KnownState;
  /** True if this installation gives, or gave, a Machine of that name a uid that begins so. Only where uids follow from names. */
  readonly derivesUid?: (key: ObjectKey, uidStart: string) => boolean;
  /** Whether the host at that libvirt URI has a domain of that name; undefined: it does not say. */
  readonly hasDomain: (uri: string, name: string) => Promise<boolean | undefined>;
  /** Path of the volume below a volume; only of those that are asked about. */
  readonly baseOf: (pool: string, volume: string) => Promise<string | undefined>;
}

interface Group {
  readonly key: ObjectKey;
  readonly uidStart: string;
  domain?: DomainDefinition;
  installation?: string | undefined;
  uid?: string;
  readonly volumes: {
    readonly pool: string;
    readonly name: string;
    readonly path: string;
    readonly role: string;
  }[];
}

export async function findOrphans(inventory: HostInventory, known: ClusterView): Promise<Orphan[]> {
  const orphans: Orphan[] = [];
  for (const group of groupsIn(inventory)) {
    const { key, uidStart } = group;
    if (!known.isWatched(key.namespace)) continue;
    const isNamesake = (one: ExistingMachine) => one.namespace === key.namespace && one.name === key.name;
    const namesake = known.machines.find(isNamesake);
    if (namesake?.uid.startsWith(uidStart)) orphans.push(...(await classifyExisting(group, namesake, known)));
    else orphans.push(...(await classifyDeleted(group, namesake, inventory, known)));
  }
  const all = [...orphans, ...(await images(inventory, known)), ...reservations(inventory)];
  return all.map((orphan) => keptForUnreadable(orphan, inventory));
}

/** A domain that cannot be read may use any volume, and have any address. */
function keptForUnreadable(orphan: Orphan, { unreadable: [name] }: HostInventory): Orphan {
  if (name === undefined || orphan.action !== 'remove') return orphan;
  return {
    ...orphan,
    action: 'keep',
    why: `the definition of domain ${name} cannot be read, and may name it`,
  };
}

function groupsIn({ domains, volumes }: HostInventory): Group[] {
  const groups = new Map<string, Group>();
  const groupOf = ({ namespace, name }: ObjectKey, uidStart: string): Group => {
    const id = `${namespace}/${name}/${uidStart}`;
    const group = groups.get(id) ?? { key: { namespace, name }, uidStart, volumes: [] };
    groups.set(id, group);
    return group;
  };
  for (const domain of domains) {
    const mark = readMark(domain.description);
    // A mark under another name was copied, as virt-clone does.
    if (!mark || domain.name !== domainName(mark)) continue;
    const group = groupOf(mark, mark.uid.slice(0, 8));
    group.domain = domain;
    group.uid = mark.uid;
    group.installation = mark.installation;
  }
  for (const { pool, name, path } of volumes) {
    const ours = readVolumeName(name);
    if (ours) groupOf(ours, ours.uidStart).volumes.push({ pool, name, path, role: ours.role });
  }
  return [...groups.values()];
}

async function classifyExisting(
  group: Group,
  machine: ExistingMachine,
  known: ClusterView,
): Promise<Orphan[]> {
  const state = known.states.get(formatKey(machine));
  if (!machine.isSettled || state === 'corrupt') return [];
  if (machine.uri === undefined || hostIdentity(machine.uri) !== hostIdentity(known.uri))
    return ofAnotherHost(group, machine, state, known);
  const { domain, key } = group;
  const owner = { machine: { ...key, uid: machine.uid }, ownerExists: true } as const;
  const adopted = {
    ...owner,
    action: 'adopt',
    why: 'its Machine exists, and its state does not track it',
  } as const;
  const orphans: Orphan[] = [];
  if (domain && !state?.domains.has(domain.uuid)) {
    orphans.push({ kind: 'domain', name: domain.name, ...adopted });
  }
  for (const { pool, name, path, role } of group.volumes) {
    if (state?.volumes.has(name)) continue;
    const volume = { kind: 'volume', name, pool, ...owner } as const;
    const isSeed = role.startsWith('seed');
    const isUsed = domain?.disks.some((disk) => disk.source === path) ?? false;
    if (!state || (isUsed && !isSeed)) orphans.push({ ...volume, ...adopted });
    else if (isUsed)
      orphans.push({ ...volume, action: 'keep', why: 'an earlier seed, still in the drive of its domain' });
    else if (isSeed)
      orphans.push({ ...volume, action: 'remove', why: 'an earlier seed that no domain uses' });
    else
      orphans.push({
        ...volume,
        action: 'keep',
        why: 'its Machine does not name it; its data may be needed',
      });
  }
  return orphans;
}

/**
 * What is here of a Machine that belongs on another host: somebody has moved it. Where that host has the domain too, it is this
 * very host under another URI, or a copy; and what shared storage shows here is told of there.
 */
async function ofAnotherHost(
  { domain, volumes, key }: Group,
  { uri, uid }: ExistingMachine,
  state: Exclude<KnownState, 'corrupt'> | undefined,
  { hasDomain }: ClusterView,
): Promise<Orphan[]> {
  if (!domain || uri === undefined || (await hasDomain(uri, domain.name)) !== false) return [];
  const kept = { machine: { ...key, uid }, ownerExists: true, action: 'keep' } as const;
  const host = redactUri(uri);
  const why = `its Machine belongs on ${host}: move it back there, or undefine it here and it is made again there`;
  return [
    { kind: 'domain', name: domain.name, why, ...kept },
    ...volumes
      .filter(({ name }) => !state?.volumes.has(name))
      .map(
        ({ pool, name }) =>
          ({ kind: 'volume', name, pool, why: `of a Machine on ${host}`, ...kept }) as const,
      ),
  ];
}

async function classifyDeleted(
  group: Group,
  namesake: ExistingMachine | undefined,
  inventory: HostInventory,
  known: ClusterView,
): Promise<Orphan[]> {
  const { key, uidStart, domain, installation } = group;
  // Another cluster, or another person's laptop, with a machine of its own here.
  if (installation !== undefined && installation !== known.installation) return [];
  const machine = { ...key, uid: group.uid ?? uidStart };
  const user = inventory.domains.find(
    (one) =>
      one !== domain && one.disks.some(({ source }) => group.volumes.some(({ path }) => path === source)),
  );
  const judge = async (): Promise<Pick<Orphan, 'action' | 'why'>> => {
    if (user) return { action: 'keep', why: `domain ${user.name} uses a disk of it` };
    if (!(await isProven(group, known))) {
      return { action: 'keep', why: 'nothing proves that this installation created it' };
    }
    // Its state went along with the LibvirtMachine, and nothing here tells a move from a loss.
    if (isInfrastructure(key))
      return {
        action: 'keep',
        why: 'its LibvirtMachine is gone, perhaps to another management cluster by clusterctl move; remove it by hand if it is not',
      };
    if (namesake)
      return { action: 'keep', why: 'belonged to an earlier Machine of that name; another one exists' };
    return { action: 'remove', why: 'its Machine is gone' };
  };
  const verdict = { machine, ...(await judge()) };
  return [
    ...(domain ? [{ kind: 'domain', name: domain.name, ...verdict } as const] : []),
    ...group.volumes.map(({ pool, name }) => ({ kind: 'volume', name, pool, ...verdict }) as const),
  ];
}

/**
 * The mark names this installation; or uids follow from names here, and this is the one; or the root disk stands on an image
 * that this installation imported.
 */
async function isProven(
  { key, uidStart, uid, installation, volumes }: Group,
  { installation: ours, derivesUid, baseOf }: ClusterView,
): Promise<boolean> {
  if (installation !== undefined) return installation === ours;
  if (derivesUid?.(key, uid ?? uidStart)) return true;
  const root = volumes.find(({ role }) => role.startsWith('root'));
  const base = root && (await baseOf(root.pool, root.name));
  return base?.split('/').pop()?.startsWith(imagePrefix(ours)) ?? false;
}

async function images({ volumes }: HostInventory, known: ClusterView): Promise<Orphan[]> {
  const { installation, host, machines, baseOf } = known;
  if (host === 'corrupt') return [];
  const orphans: Orphan[] = [];
  for (const { pool, name, path } of volumes) {
    if (!name.startsWith(imagePrefix(installation)) || host.volumes.has(name)) continue;
    const image = { kind: 'image', name, pool } as const;
    if (machines.some((one) => one.image?.pool === pool && one.image.volume === name)) {
      orphans.push({
        ...image,
        action: 'keep',
        why: 'Machines use it; the next one that is created here imports it into the state',
      });
      continue;
    }
    const bases = await Promise.all(volumes.map((one) => baseOf(one.pool, one.name)));
    const isBase = bases.includes(path);
    orphans.push({
      ...image,
      action: isBase ? 'keep' : 'remove',
      why: isBase ? 'disks use it' : 'no disk and no Machine uses it',
    });
  }
  return orphans;
}

/** Who made one cannot be told: those of our machines go with them. */
function reservations({ domains, reservations: all }: HostInventory): Orphan[] {
  const macs = new Set(domains.flatMap(({ interfaces }) => interfaces.map(({ mac }) => mac)));
  return all
    .filter(({ mac }) => mac !== undefined && !macs.has(mac.toLowerCase()))
    .map(({ network, ip, name, mac }) => ({
      kind: 'reservation',
      name: ip,
      network,
      action: 'keep',
      why: `for ${[name, mac].filter(Boolean).join(', ')}, which no domain has; its creator is unknown`,
    }));
}
