/** Verifies ranges of IP addresses. */

import { expect, it } from 'vitest';
import { canonicalAddress } from '../../../src/system/network/address-scope.ts';
import { IpRange } from '../../../src/system/network/ip-range.ts';

it.each([
  ['10.0.0.0/8', '10.255.0.1'],
  ['10.1.2.3/8', '10.0.0.0'],
  ['127.0.0.1', '127.0.0.1'],
  ['127.0.0.0/8', '::ffff:127.0.0.1'],
  ['127.0.0.0/8', '::ffff:7f00:1'],
  ['127.0.0.0/8', '0:0:0:0:0:ffff:7f00:0001'],
  ['0.0.0.0/0', '192.0.2.1'],
  ['fe80::/10', 'fe80::1%eth0'],
  ['::1', '0:0:0:0:0:0:0:1'],
  ['fd00::/8', 'fdff::1'],
])('%s has %s', (range, address) => {
  expect(IpRange.of(range).has(address)).toBe(true);
});

it.each([
  ['10.0.0.0/8', '11.0.0.1'],
  ['127.0.0.1', '127.0.0.2'],
  ['::/0', '127.0.0.1'],
  ['0.0.0.0/0', '::1'],
  ['10.0.0.0/8', 'localhost'],
])('%s does not have %s', (range, address) => {
  expect(IpRange.of(range).has(address)).toBe(false);
});

it.each([
  '',
  'localhost',
  '10.0.0',
  '10.0.0.0/33',
  '10.0.0.0/',
  'fd00::/129',
  '10.0.0.0/8/8',
  '::1%lo',
  ' 10.0.0.1',
])('"%s" is no range', (text) => {
  expect(IpRange.parse(text)).toBeUndefined();
});

it.each([
  ['10.1.0.0/16', '10.0.0.0/8', true],
  ['10.0.0.0/8', '10.0.0.0/8', true],
  ['10.0.0.0/8', '10.1.0.0/16', false],
  ['0.0.0.0/0', '127.0.0.0/8', false],
  ['fd00::1', 'fd00::/8', true],
  ['::/0', '0.0.0.0/0', false],
])('%s lies within %s: %s', (inner, outer, is) => {
  expect(IpRange.of(inner).isWithin(IpRange.of(outer))).toBe(is);
});

it('an IPv4 address has one text', () => {
  expect(canonicalAddress('::ffff:10.0.0.1')).toBe('10.0.0.1');
  expect(canonicalAddress('64:ff9b::10.0.0.1')).toBe('10.0.0.1');
  expect(canonicalAddress('10.0.0.1')).toBe('10.0.0.1');
  expect(canonicalAddress('fe80::1%2')).toBe('fe80::1');
});
