/** Decides whether a network can give an IPv4 address to a guest. */

import { isInNetwork } from '../../system/network/cidr.ts';

/** Describes a range by the host's own address in it and the length of its prefix. */
export interface Ipv4Range {
  readonly address: string;
  readonly prefix: number;
}

/** Returns why the network cannot give the address, as the end of a sentence that begins with it; undefined: it can. */
export function describeUnusable(
  address: string,
  network: string,
  ranges: readonly Ipv4Range[],
): string | undefined {
  const all = ranges.map((one) => `${one.address}/${one.prefix}`).join(', ');
  if (all === '') return `cannot be reserved: network "${network}" gives out no IPv4 addresses`;
  const range = findRange(address, ranges);
  if (!range) return `lies outside of network "${network}" (${all})`;
  if (address === range.address) return `is the host's own address in network "${network}", the gateway`;
  const value = numberOf(address);
  const size = 2 ** (32 - range.prefix);
  // In a network of two addresses, or one, all are for hosts.
  if (size <= 2) return undefined;
  if (value % size === 0)
    return `is the first address of network "${network}" (${all}), which names the network`;
  if (value % size === size - 1)
    return `is the last address of network "${network}" (${all}), its broadcast address`;
  return undefined;
}

/** Returns the range in which the address lies. */
export function findRange<R extends Ipv4Range>(address: string, ranges: readonly R[]): R | undefined {
  return ranges.find((range) => isInNetwork(address, `${range.address}/${range.prefix}`));
}

/** Returns the number that an IPv4 address stands for. */
function numberOf(address: string): number {
  return address.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}
