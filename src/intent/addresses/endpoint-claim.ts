/**
 * Claims addresses for control plane endpoints. A claim is a reservation in the DHCP server of a libvirt network, whose name tells which
 * LibvirtCluster it is for. It has no MAC address, so no machine is ever given it. In a network without addresses of its own, as that of a
 * bridge, it is a port group that no interface uses. libvirt refuses a second one of an address, also to a controller of another API
 * server. Pure.
 */

import { isIPv4 } from 'node:net';
import { type NetworkAddresses, PORT_GROUP, type Reservation } from '../../libvirt/reservations.ts';
import { describeUnusable, findRange } from './address-range.ts';

const PREFIX = 'caplv-endpoint-';

/** A network of a host, and the addresses that its guests have leased. */
export interface ClaimNetwork {
  readonly name: string;
  readonly addresses: NetworkAddresses;
  readonly leased: ReadonlySet<string>;
}

export interface MissingClaim {
  readonly entry: { readonly name: string; readonly ip: string; readonly parentIndex: number };
  readonly where: readonly ('live' | 'config')[];
}

/** Names the reservation for the LibvirtCluster with that uid: a host name of at most 63 characters. */
export function claimName(uid: string): string {
  return `${PREFIX}${uid}`;
}

/** Returns the uid of the LibvirtCluster that a reservation is for; undefined: it is for none. */
export function claimantOf({ name = '' }: Pick<Reservation, 'name'>): string | undefined {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined;
}

/** Returns the reservations of a LibvirtCluster in a network, each address once. */
export function claimsOf(uid: string, { live = [], stored = [] }: NetworkAddresses): Reservation[] {
  const own = [...live, ...stored].filter((entry) => claimantOf(entry) === uid);
  return [...new Map(own.map((entry) => [entry.ip, entry])).values()];
}

/**
 * Returns addresses of `candidates` that can be tried for a LibvirtCluster, in order: those it has claimed already, then those that all
 * networks can give and that neither a reservation nor a lease nor `inUse` has.
 */
export function freeAddresses(
  candidates: readonly string[],
  {
    uid,
    networks,
    inUse,
  }: {
    readonly uid: string;
    readonly networks: readonly ClaimNetwork[];
    readonly inUse: ReadonlySet<string>;
  },
): string[] {
  const own = new Set(networks.flatMap(({ addresses }) => claimsOf(uid, addresses).map(({ ip }) => ip)));
  const isFree = (ip: string) =>
    !inUse.has(ip) &&
    networks.every(
      ({ name, addresses, leased }) =>
        !leased.has(ip) &&
        describeUnclaimable(ip, name, addresses) === undefined &&
        reservationsOf(ip, addresses).every((entry) => claimantOf(entry) === uid),
    );
  const claimed = candidates.filter((ip) => own.has(ip));
  return [...claimed, ...candidates.filter((ip) => !own.has(ip) && isFree(ip))];
}

/** Returns why the network can never keep the address for a LibvirtCluster, as the end of a sentence that begins with it. */
export function describeUnclaimable(
  ip: string,
  network: string,
  { ranges }: Pick<NetworkAddresses, 'ranges'>,
): string | undefined {
  if (!isIPv4(ip)) return 'is no IPv4 address, and no other can be reserved';
  return ranges.length === 0 ? undefined : describeUnusable(ip, network, ranges);
}

/** Returns the reservations of an address, as the network runs and as it is stored. */
export function reservationsOf(ip: string, { live = [], stored = [] }: NetworkAddresses): Reservation[] {
  return [...live, ...stored].filter((entry) => entry.ip === ip);
}

/** Returns what has to be added so that the network reserves the address for the LibvirtCluster; undefined: nothing, or it cannot. */
export function missingClaim(
  uid: string,
  ip: string,
  { live, stored, ranges }: NetworkAddresses,
): MissingClaim | undefined {
  const parentIndex = ranges.length === 0 ? PORT_GROUP : findRange(ip, ranges)?.parentIndex;
  const lacks = (entries: readonly Reservation[] | undefined) =>
    entries !== undefined && !entries.some((entry) => entry.ip === ip && claimantOf(entry) === uid);
  const where = [
    ...(lacks(live) ? (['live'] as const) : []),
    ...(lacks(stored) ? (['config'] as const) : []),
  ];
  if (parentIndex === undefined || where.length === 0) return undefined;
  return { entry: { name: claimName(uid), ip, parentIndex }, where };
}
