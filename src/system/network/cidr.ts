/** Compares ranges of addresses in CIDR notation, for example `10.17.3.0/24`. What is no range has nothing in common with any. */

import { BlockList, isIP } from 'node:net';
import { IpRange } from './ip-range.ts';

/** Returns whether all of `inner` lies in `outer`. */
export function isWithin(inner: string, outer: string): boolean {
  const [small, large] = [IpRange.parse(inner), IpRange.parse(outer)];
  return small !== undefined && large !== undefined && small.isWithin(large);
}

/** Returns whether the two have an address in common: then one of them lies in the other. */
export function overlap(one: string, other: string): boolean {
  return isWithin(one, other) || isWithin(other, one);
}

/** Returns whether both are the same range, also by other addresses in it. */
export function isSameRange(one: string, other: string): boolean {
  return isWithin(one, other) && isWithin(other, one);
}

/** True for ADDRESS/PREFIX of either family, with or without bits of a host. */
export function isCIDR(value: string): boolean {
  const [address = '', prefix = '', ...rest] = value.split('/');
  const bits = { 4: 32, 6: 128 }[isIP(address)];
  return bits !== undefined && rest.length === 0 && /^(0|[1-9]\d*)$/.test(prefix) && Number(prefix) <= bits;
}

/** Returns whether the network, in CIDR notation, holds the address. None holds an address of the other family. */
export function isInNetwork(address: string, network: string): boolean {
  const [base = '', prefix] = network.split('/');
  if (!isCIDR(network) || isIP(base) !== isIP(address)) return false;
  const family = isIP(base) === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(base, Number(prefix), family);
  return list.check(address, family);
}
