/** Fixed addresses that a libvirt network keeps for guests: `<dhcp><host mac='…' name='…' ip='…'/>`. */

import { Turn } from '../system/turn.ts';
import type { DomainInterface } from './domain.ts';
import type { Virsh } from './virsh.ts';
import type { Command } from './virsh-command.ts';
import { readXml, XmlElement } from './xml.ts';

export interface Reservation {
  readonly mac: string | undefined;
  readonly name: string | undefined;
  readonly ip: string;
  /** Which of the network's `<ip>` elements it stands in, from 0; or PORT_GROUP. */
  readonly parentIndex: number;
}

/**
 * In place of an index: the network has no `<ip>` element, as that of a bridge, and the reservation is a port group, which no interface
 * uses. Its name has the address, and its interfaceid the UUID at the end of the name of the reservation. libvirt refuses a second one.
 */
export const PORT_GROUP = -1;

/** One `<ip>` element of a network. */
export interface AddressRange {
  /** The host's own address in it, which is the gateway of its guests. */
  readonly address: string;
  /** Length of the network prefix. */
  readonly prefix: number;
  readonly parentIndex: number;
}

/** What a network gives out, as it runs now and as it is stored for later starts. */
export interface NetworkAddresses {
  readonly ranges: readonly AddressRange[];
  /** Undefined: the network is not active. */
  readonly live: readonly Reservation[] | undefined;
  /** Undefined: the network is not persistent. */
  readonly stored: readonly Reservation[] | undefined;
}

/** A reservation that is to be made. */
export interface NewReservation {
  /** Absent: no guest is given the address. */
  readonly mac?: string;
  readonly name: string;
  readonly ip: string;
  readonly parentIndex: number;
}

const PORT_GROUP_NAME = 'caplv-endpoint-';

/** Reads the output of `virsh net-dumpxml`. */
export function parseReservations(xml: string): Reservation[] {
  const network = XmlElement.parse(xml, 'network');
  const groups = network.children('portgroup').flatMap((group) => {
    const name = group.attribute('name') ?? '';
    if (!name.startsWith(PORT_GROUP_NAME)) return [];
    const uuid = group.child('virtualport').child('parameters').attribute('interfaceid') ?? '';
    const ip = name.slice(PORT_GROUP_NAME.length);
    return [{ mac: undefined, name: `${PORT_GROUP_NAME}${uuid}`, ip, parentIndex: PORT_GROUP }];
  });
  const hosts = network.children('ip').flatMap((element, parentIndex) =>
    element
      .child('dhcp')
      .children('host')
      .flatMap((host) => {
        const ip = host.attribute('ip');
        return ip === undefined
          ? []
          : [{ mac: host.attribute('mac')?.toLowerCase(), name: host.attribute('name'), ip, parentIndex }];
      }),
  );
  return [...hosts, ...groups];
}

/** Reads the IPv4 ranges out of the output of `virsh net-dumpxml`. */
export function parseRanges(xml: string): AddressRange[] {
  return XmlElement.parse(xml, 'network')
    .children('ip')
    .flatMap((element, parentIndex) => {
      const address = element.attribute('address');
      if (address === undefined || element.attribute('family') === 'ipv6') return [];
      const prefix = element.attribute('prefix') ?? prefixOf(element.attribute('netmask') ?? '255.255.255.0');
      return [{ address, prefix: Number(prefix), parentIndex }];
    });
}

/** Counts the bits of `255.255.255.0`. */
export function prefixOf(netmask: string): number {
  return netmask
    .split('.')
    .reduce((bits, part) => bits + Number(part).toString(2).replaceAll('0', '').length, 0);
}

/** Returns the interfaces with what their networks keep for them; the same list if that is nothing. */
export function withReservations(
  interfaces: readonly DomainInterface[],
  networks: ReadonlyMap<string, Pick<NetworkAddresses, 'live' | 'stored'>>,
): readonly DomainInterface[] {
  const reserved = interfaces.map((nic) => reservedFor(nic, networks.get(nic.network ?? '')));
  if (reserved.every((addresses) => addresses.length === 0)) return interfaces;
  return interfaces.map((nic, i) => (reserved[i]?.length ? { ...nic, reserved: reserved[i] } : nic));
}

/** As the network runs, and as it will start: what only one of the two has does not last, or does not count yet. */
function reservedFor(
  { mac }: DomainInterface,
  network: Pick<NetworkAddresses, 'live' | 'stored'> | undefined,
): string[] {
  const definitions = [network?.live, network?.stored].filter((entries) => entries !== undefined);
  const [first = [], ...others] = definitions.map((entries) =>
    entries.filter((entry) => entry.mac === mac).map(({ ip }) => ip),
  );
  return first.filter((ip) => others.every((one) => one.includes(ip)));
}

export function networkDump(network: string): Command {
  return ['net-dumpxml', `--network=${network}`];
}

/** Returns networks by name, without those that do not exist. Throws LibvirtError. */
export async function networkAddresses(
  virsh: Virsh,
  networks: readonly string[],
): Promise<Map<string, NetworkAddresses>> {
  const answers = await virsh.batch([
    ['net-list', '--name'],
    ...networks.flatMap((network): Command[] => [
      networkDump(network),
      ['net-dumpxml', `--network=${network}`, '--inactive'],
    ]),
  ]);
  const [active] = answers;
  if (active?.error) throw active.error;
  const names = new Set(active?.text.split('\n').map((line) => line.trim()));
  const found = new Map<string, NetworkAddresses>();
  const turn = new Turn();
  for (const [index, network] of networks.entries()) {
    const [now, later] = [answers[1 + 2 * index], answers[2 + 2 * index]];
    if (now?.error?.code === 'notFound') continue;
    if (now?.error) throw now.error;
    const xml = now?.text ?? '';
    const read = () => ({
      ranges: parseRanges(xml),
      live: names.has(network) ? parseReservations(xml) : undefined,
      stored: later && !later.error ? parseReservations(later.text) : undefined,
    });
    found.set(network, readXml(virsh, networkDump(network), `network ${network}`, read));
    await turn.yieldIfLong();
  }
  return found;
}

/**
 * Makes a reservation where it is missing: now, for later starts, or both. libvirt refuses one that shares MAC, name or address
 * with another, so that of two at the same time one fails. Throws LibvirtError.
 */
export async function addReservation(
  virsh: Virsh,
  network: string,
  entry: NewReservation,
  where: readonly ('live' | 'config')[],
): Promise<void> {
  await updateReservation(virsh, network, 'add-last', entry, where);
}

/** Puts a reservation in place of the one of the same address, in one step. Throws LibvirtError. */
export async function replaceReservation(
  virsh: Virsh,
  network: string,
  entry: NewReservation,
  where: readonly ('live' | 'config')[],
): Promise<void> {
  await updateReservation(virsh, network, 'modify', entry, where);
}

async function updateReservation(
  virsh: Virsh,
  network: string,
  command: 'add-last' | 'modify',
  entry: NewReservation,
  where: readonly ('live' | 'config')[],
): Promise<void> {
  const place = entry.parentIndex === PORT_GROUP ? portGroup(entry) : dhcpHost(entry);
  for (const flag of where) {
    await virsh.run(['net-update', `--network=${network}`, `--command=${command}`, ...place, `--${flag}`]);
  }
}

function dhcpHost({ mac, name, ip, parentIndex }: NewReservation): string[] {
  const whose = mac === undefined ? '' : ` mac='${mac}'`;
  const xml = `--xml=<host${whose} name='${name}' ip='${ip}'/>`;
  return ['--section=ip-dhcp-host', xml, `--parent-index=${parentIndex}`];
}

function portGroup({ name, ip }: NewReservation): string[] {
  const uuid = name.slice(PORT_GROUP_NAME.length);
  const port = `<virtualport type='openvswitch'><parameters interfaceid='${uuid}'/></virtualport>`;
  return ['--section=portgroup', `--xml=<portgroup name='${PORT_GROUP_NAME}${ip}'>${port}</portgroup>`];
}

/**
 * Takes back these reservations, now and for later starts of the network. One that is gone is no error; whoever was killed in the
 * middle of this has left one that is only stored, and it blocks its address too. Throws LibvirtError.
 */
export async function removeReservations(
  virsh: Virsh,
  network: string,
  reservations: readonly Reservation[],
): Promise<void> {
  for (const { ip, parentIndex } of new Map(reservations.map((one) => [one.ip, one])).values()) {
    const entry =
      parentIndex === PORT_GROUP
        ? ['--section=portgroup', `--xml=<portgroup name='${PORT_GROUP_NAME}${ip}'/>`]
        : ['--section=ip-dhcp-host', `--xml=<host ip='${ip}'/>`, `--parent-index=${parentIndex}`];
    const update = ['net-update', `--network=${network}`, '--command=delete', ...entry] as const;
    // A network that is off has nothing live to change, and says so; so does one that has it only stored.
    const [, removed] = await virsh.batch([
      [...update, '--live'],
      [...update, '--config'],
    ]);
    if (removed?.error && removed.error.code !== 'notFound') throw removed.error;
  }
}
