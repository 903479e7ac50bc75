/**
 * Fixed addresses: which a machine asks for, whether its networks can give them, and whose the reservations are that are there.
 * libvirt takes two reservations for the same if they share MAC, host name or address, and replaces one by the other; a
 * reservation belongs to one interface of one machine, and is written only if nothing of another's is in its way. Pure.
 */

import type { InterfaceIntent } from '../../stacks/intent.ts';
import type { NetworkAddresses, NewReservation, Reservation } from '../libvirt/reservations.ts';
import { describeUnusable, findRange, type Ipv4Range } from './addresses/address-range.ts';
import { claimantOf } from './addresses/endpoint-claim.ts';
import { describeMisread } from './addresses/reservation-name.ts';
import type { MachineIntent } from './hosted-intent.ts';

/** A fixed address of a machine. */
export interface ReservedAddress {
  readonly network: string;
  readonly hostname: string;
  readonly address: string;
  /** Absent: the provider chooses it, or has chosen it. */
  readonly mac?: string | undefined;
}

/** A reservation that a machine asks for. */
export interface WantedReservation extends ReservedAddress {
  /** Index of the interface. */
  readonly index: number;
}

/** Something that stands in the way of a reservation. */
export interface ReservationProblem {
  readonly wanted: WantedReservation;
  /** Of the interface, for example `addresses[0]`. */
  readonly field: string;
  /** `unusable`: the network can never give it; `taken`: something else has it. */
  readonly kind: 'unusable' | 'taken';
  readonly message: string;
  readonly fix: string;
}

/** What has a MAC address: this machine, or another, by a name for people; undefined: nothing that is known. */
export type OwnerOfMac = (mac: string) => 'self' | { readonly name: string } | undefined;

export interface ReservationPlan {
  readonly problems: readonly ReservationProblem[];
  /** To be added, and where they are missing. */
  readonly missing: readonly (NewReservation & {
    readonly network: string;
    readonly where: readonly ('live' | 'config')[];
  })[];
  /** Of this machine, and in the way of what it asks for now. */
  readonly outdated: readonly (Reservation & { readonly network: string })[];
}

/** Returns the reservations that a machine asks for, in the order of its interfaces. */
export function wantedReservations({
  interfaces,
  name,
}: Pick<MachineIntent, 'interfaces' | 'name'>): WantedReservation[] {
  return interfaces.flatMap((nic, index) => wantedOf(nic, index, name));
}

/** Returns the same as it is kept in the status of a machine. */
export function reservedAddresses(intent: Pick<MachineIntent, 'interfaces' | 'name'>): ReservedAddress[] {
  return wantedReservations(intent).map(({ index: _, ...reserved }) => reserved);
}

function wantedOf(nic: InterfaceIntent, index: number, name: string): WantedReservation[] {
  if (nic.kind !== 'network') return [];
  const { network, hostname = name, addresses = [] } = nic;
  const mac = nic.mac ?? nic.assignedMac;
  return addresses.map((address) => ({
    index,
    network,
    hostname,
    address,
    ...(mac !== undefined && { mac }),
  }));
}

/** Compares what a machine asks for with what its networks have. A network that is not there yet has nothing. */
export function planReservations(
  wanted: readonly WantedReservation[],
  networks: ReadonlyMap<string, NetworkAddresses>,
  ownerOf: OwnerOfMac,
): ReservationPlan {
  const plan = { problems: [], missing: [], outdated: [] } as {
    problems: ReservationProblem[];
    missing: ReservationPlan['missing'][number][];
    outdated: ReservationPlan['outdated'][number][];
  };
  for (const [place, one] of wanted.entries()) {
    const twin = wanted.slice(0, place).find((other) => isTwin(other, one));
    if (twin) plan.problems.push(twinProblem(twin, one));
    const network = networks.get(one.network);
    if (twin || !network) continue;
    const unusable = unusableProblem(one, network.ranges);
    if (unusable) plan.problems.push(unusable);
    if (unusable) continue;
    const all = [...(network.live ?? []), ...(network.stored ?? [])];
    const related = all.filter((entry) => isSame(entry, one) || collides(entry, one));
    for (const entry of related) {
      if (isSame(entry, one)) continue;
      const problem = isOwn(entry, wanted, ownerOf) ? undefined : takenProblem(entry, one, ownerOf);
      if (problem) plan.problems.push(problem);
      else plan.outdated.push({ ...entry, network: one.network });
    }
    const lacks = (entries: readonly Reservation[] | undefined) =>
      entries !== undefined && !entries.some((entry) => isSame(entry, one));
    const where = [
      ...(lacks(network.live) ? (['live'] as const) : []),
      ...(lacks(network.stored) ? (['config'] as const) : []),
    ];
    const { mac, hostname, address } = one;
    const range = findRange(address, network.ranges);
    if (where.length === 0 || mac === undefined || !range) continue;
    plan.missing.push({
      mac,
      name: hostname,
      ip: address,
      parentIndex: range.parentIndex,
      network: one.network,
      where,
    });
  }
  return plan;
}

/** Returns those that were made for this machine, to be taken back when it goes. */
export function ownReservations(
  reserved: readonly ReservedAddress[],
  networks: ReadonlyMap<string, NetworkAddresses>,
  ownerOf: OwnerOfMac,
): (Reservation & { readonly network: string })[] {
  return [...networks].flatMap(([network, { live = [], stored = [] }]) => {
    const here = reserved.filter((one) => one.network === network);
    const own = [...live, ...stored].filter((entry) => isOwn(entry, here, ownerOf));
    return [...new Map(own.map((entry) => [entry.ip, { ...entry, network }])).values()];
  });
}

function isSame(entry: Reservation, { mac, hostname, address }: ReservedAddress): boolean {
  return entry.ip === address && entry.name === hostname && (mac === undefined || entry.mac === mac);
}

/** libvirt would take them for one. */
function collides(entry: Reservation, { mac, hostname, address }: ReservedAddress): boolean {
  return entry.ip === address || entry.name === hostname || (mac !== undefined && entry.mac === mac);
}

/**
 * By its MAC. Of a machine whose MACs nobody knows, as of one that was made before they were assigned: by host name and address
 * together, unless something else has the MAC.
 */
function isOwn(entry: Reservation, reserved: readonly ReservedAddress[], ownerOf: OwnerOfMac): boolean {
  const owner = entry.mac === undefined ? undefined : ownerOf(entry.mac);
  if (owner !== undefined) return owner === 'self';
  return reserved.some(({ mac, hostname, address }) =>
    mac === undefined ? entry.name === hostname && entry.ip === address : entry.mac === mac,
  );
}

function takenProblem(
  entry: Reservation,
  wanted: WantedReservation,
  ownerOf: OwnerOfMac,
): ReservationProblem {
  const { network, address, hostname } = wanted;
  const cluster = claimantOf(entry);
  if (cluster !== undefined)
    return {
      wanted,
      field: 'addresses[0]',
      kind: 'taken',
      message: `${address} in network "${network}" is the control plane endpoint of the LibvirtCluster with uid ${cluster}`,
      fix: 'use another address',
    };
  const owner = entry.mac === undefined ? undefined : ownerOf(entry.mac);
  const whose =
    owner !== undefined && owner !== 'self'
      ? owner.name
      : `host "${entry.name ?? '?'}" (MAC ${entry.mac ?? 'unknown'}), which is no Machine that is known here`;
  const [field, what] =
    entry.ip === address
      ? ['addresses[0]', `${address} in network "${network}" is reserved for ${whose}`]
      : entry.name === hostname
        ? [
            'hostname',
            `the host name ${hostname} in network "${network}" is reserved for ${whose}, at ${entry.ip}`,
          ]
        : ['mac', `the MAC ${entry.mac} in network "${network}" is reserved for ${whose}, at ${entry.ip}`];
  const other = { 'addresses[0]': 'another address', hostname: 'another hostname', mac: 'another mac' }[
    field
  ];
  const remove = `virsh net-update ${network} delete ip-dhcp-host "<host ip='${entry.ip}'/>" --live --config`;
  const fix =
    owner === undefined ? `use ${other}, or remove it if it is not needed: ${remove}` : `use ${other}`;
  return { wanted, field, kind: 'taken', message: what, fix };
}

/** Returns why the network can never reserve the address for this host name; undefined: it can. */
export function unusableProblem(
  wanted: WantedReservation,
  ranges: readonly Ipv4Range[],
): ReservationProblem | undefined {
  return misreadProblem(wanted) ?? addressProblem(wanted, ranges);
}

function misreadProblem(wanted: WantedReservation): ReservationProblem | undefined {
  const { network, hostname } = wanted;
  const read = describeMisread(hostname);
  if (read === undefined) return undefined;
  return {
    wanted,
    field: 'hostname',
    kind: 'unusable',
    message: `the DHCP server of network "${network}" reads the host name ${hostname} of a reservation as ${read}`,
    fix: 'give the interface another hostname',
  };
}

function addressProblem(
  wanted: WantedReservation,
  ranges: readonly Ipv4Range[],
): ReservationProblem | undefined {
  const { network, address } = wanted;
  const why = describeUnusable(address, network, ranges);
  if (why === undefined) return undefined;
  const [range] = ranges;
  const fix =
    range === undefined
      ? 'leave addresses out, or give them with their prefix, for example 10.17.3.10/24'
      : 'use an address of the network that is free';
  return { wanted, field: 'addresses[0]', kind: 'unusable', message: `${address} ${why}`, fix };
}

/** Two interfaces of the machine, of which libvirt would keep one. */
function isTwin(one: ReservedAddress, other: ReservedAddress): boolean {
  return one.network === other.network && (one.address === other.address || one.hostname === other.hostname);
}

function twinProblem({ index }: WantedReservation, wanted: WantedReservation): ReservationProblem {
  const { network, hostname } = wanted;
  return {
    wanted,
    field: 'hostname',
    kind: 'unusable',
    message: `interfaces ${index} and ${wanted.index} share an address or the host name ${hostname} in network "${network}", which keeps one reservation for each`,
    fix: 'give each an address and a hostname of its own',
  };
}
