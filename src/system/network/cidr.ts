/** Compares ranges of addresses in CIDR notation, for example `10.17.3.0/24`. What is no range has nothing in common with any. */

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
