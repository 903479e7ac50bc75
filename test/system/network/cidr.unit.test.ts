/** Verifies CIDR ranges and their overlaps. */

import { describe, expect, it } from 'vitest';
import { PRIVATE_RANGES } from '../../../src/system/network/address-scope.ts';
import { isSameRange, isWithin, overlap } from '../../../src/system/network/cidr.ts';

describe('a range', () => {
  it.each([
    ['10.17.3.0/24', '10.0.0.0/8', true],
    ['10.0.0.0/8', '10.17.3.0/24', false],
    ['172.31.255.0/24', '172.16.0.0/12', true],
    ['172.32.0.0/24', '172.16.0.0/12', false],
    ['fd00:17::/64', 'fc00::/7', true],
    ['2001:db8::/64', 'fc00::/7', false],
    ['10.17.3.0/24', 'fc00::/7', false],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8', false],
    ['0.0.0.0/0', '10.0.0.0/8', false],
  ])('%s lies in %s: %s', (inner, outer, expected) => {
    expect(isWithin(inner, outer)).toBe(expected);
  });

  it.each([
    ['10.17.3.0/24', '10.17.0.0/16', true],
    ['10.17.0.0/16', '10.17.3.1/24', true],
    ['10.17.3.0/25', '10.17.3.128/25', false],
    ['fd00::/48', 'fd00:0:0:1::1/64', true],
    ['fd00::/48', 'fd00:0:1::/64', false],
    ['0.0.0.0/0', '::/0', false],
  ])('%s overlaps %s: %s', (one, other, expected) => {
    expect(overlap(one, other)).toBe(expected);
    expect(overlap(other, one)).toBe(expected);
  });

  it('is the same by any address in it', () => {
    expect(isSameRange('10.17.3.0/24', '10.17.3.1/24')).toBe(true);
    expect(isSameRange('10.17.3.0/24', '10.17.3.0/25')).toBe(false);
  });

  it.each(['203.0.113.0/24', '8.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '100.64.0.0/10', '::/0'])(
    'of the public, of loopback or of link-local addresses is not private: %s',
    (range) => {
      expect(PRIVATE_RANGES.some((one) => isWithin(range, one) || isWithin(one, range))).toBe(
        range === '::/0',
      );
    },
  );
});
