/** All on a host that somebody could have left behind: domains, volumes, and reservations of addresses. */

import { Turn } from '../system/turn.ts';
import type { DomainDefinition } from './domain.ts';
import type { DomainXmlCache } from './domain-cache.ts';
import { parseDomainList, parseNames } from './domain-query.ts';
import { parseVolumeList, type VolumeFacts } from './host-facts.ts';
import { parseReservations, type Reservation } from './reservations.ts';
import type { Answer, RunOptions, Virsh } from './virsh.ts';
import type { Command } from './virsh-command.ts';
import { UnreadableXml } from './xml.ts';

export interface HostInventory {
  readonly domains: readonly DomainDefinition[];
  /** Names of domains whose definition cannot be read; any volume may belong to them. */
  readonly unreadable: readonly string[];
  /** Of the active pools. */
  readonly volumes: readonly VolumeFacts[];
  /** Also those that are only stored, for later starts of the network: they block their addresses, too. */
  readonly reservations: readonly NetworkReservation[];
}

export interface NetworkReservation extends Reservation {
  readonly network: string;
}

/** Reads the inventory in two processes. Leaves out what vanishes in between. */
export async function hostInventory(
  virsh: Virsh,
  definitions: DomainXmlCache,
  options?: RunOptions,
): Promise<HostInventory> {
  const lists = (await virsh.batch(
    [
      ['list', '--all', '--uuid', '--name'],
      ['pool-list', '--name'],
      ['net-list', '--all', '--name'],
    ],
    options,
  )) as [Answer, Answer, Answer];
  const failed = lists.find(({ error }) => error)?.error;
  if (failed) throw failed;
  const domains = parseDomainList(lists[0].text);
  const pools = parseNames(lists[1].text);
  const networks = parseNames(lists[2].text);
  const answers = await virsh.batch(
    [
      ...domains.map(({ uuid }): Command => ['dumpxml', `--domain=${uuid}`]),
      ...pools.map((pool): Command => ['vol-list', `--pool=${pool}`]),
      ...networks.map((network): Command => ['net-dumpxml', `--network=${network}`]),
      ...networks.map((network): Command => ['net-dumpxml', `--network=${network}`, '--inactive']),
    ],
    options,
  );
  const texts = (count: number) =>
    answers.splice(0, count).map(({ text, error }) => (error ? undefined : text));
  const there = texts(domains.length).flatMap((xml, i) =>
    xml === undefined ? [] : { xml, name: domains[i]?.name ?? '' },
  );
  const volumeLists = texts(pools.length);
  const live = texts(networks.length);
  const stored = texts(networks.length);
  const read = await definitions.read(there.map(({ xml }) => xml));
  const turn = new Turn();
  const volumes: VolumeFacts[][] = [];
  for (const [index, pool] of pools.entries()) {
    volumes.push(parseVolumeList(pool, volumeLists[index] ?? ''));
    await turn.yieldIfLong();
  }
  const reservations: NetworkReservation[][] = [];
  for (const [index, network] of networks.entries()) {
    const entries = await reservationsIn([live[index], stored[index]], turn);
    reservations.push(entries.map((one) => ({ ...one, network })));
  }
  return {
    domains: read.flatMap((one) => (one instanceof UnreadableXml ? [] : one)),
    unreadable: there.flatMap(({ name }, i) => (read[i] instanceof UnreadableXml ? name : [])),
    volumes: volumes.flat(),
    reservations: reservations.flat(),
  };
}

/** Returns the reservations of a network's definitions, each once; none if one cannot be read, so that none is taken for left behind. */
async function reservationsIn(
  definitions: readonly (string | undefined)[],
  turn: Turn,
): Promise<Reservation[]> {
  const all: Reservation[] = [];
  for (const xml of definitions) {
    try {
      if (xml !== undefined) all.push(...parseReservations(xml));
    } catch (error) {
      if (!(error instanceof UnreadableXml)) throw error;
    }
    await turn.yieldIfLong();
  }
  return [...new Map(all.map((one) => [`${one.name} ${one.ip}`, one])).values()];
}
