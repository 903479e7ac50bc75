/** Ranges of addresses in CIDR notation, for example `10.17.3.0/24`. Those of the two families have nothing in common. */

import { BlockList, isIPv6 } from 'node:net';

interface Range {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  /** Length of the network prefix. */
  readonly prefix: number;
}

/** Ranges that belong to whoever uses them: RFC 1918, and unique local addresses (RFC 4193). */
export const PRIVATE_RANGES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'] as const;

/** Returns whether all of `inner` lies in `outer`. */
export function isWithin(inner: string, outer: string): boolean {
  const [small, large] = [parse(inner), parse(outer)];
  return small.prefix >= large.prefix && holds(large, small);
}

/** Returns whether the two have an address in common. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [parse(one), parse(other)];
  return a.prefix <= b.prefix ? holds(a, b) : holds(b, a);
}

/** Returns whether both are the same range, also by other addresses in it. */
export function isSameRange(one: string, other: string): boolean {
  return isWithin(one, other) && isWithin(other, one);
}

function holds(range: Range, { address, family }: Range): boolean {
  if (range.family !== family) return false;
  const list = new BlockList();
  list.addSubnet(range.address, range.prefix, range.family);
  return list.check(address, family);
}

function parse(text: string): Range {
  const [address = '', prefix] = text.split('/');
  return { address, family: isIPv6(address) ? 'ipv6' : 'ipv4', prefix: Number(prefix) };
}
