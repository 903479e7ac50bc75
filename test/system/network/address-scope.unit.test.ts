/** Verifies the scope of IP addresses. */

import { expect, it } from 'vitest';
import { addressScope, includesScope, widestScope } from '../../../src/system/network/address-scope.ts';
import { SPECIAL_RANGES } from '../../../src/system/network/special-addresses.ts';

it.each([
  ['public', ['93.184.216.34', '2606:2800:21f::1', '::ffff:8.8.8.8', '64:ff9b::808:808', '172.32.0.1']],
  [
    'private',
    ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', 'fd00::1', '::ffff:10.0.0.1'],
  ],
  [
    'local',
    [
      '127.0.0.1',
      '127.255.255.254',
      '0.0.0.0',
      '169.254.169.254',
      '224.0.0.1',
      '255.255.255.255',
      '::1',
      '::',
      '0:0:0:0:0:0:0:1',
      'fe80::1',
      'fe80::1%eth0',
      'ff02::1',
      'fec0::1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::127.0.0.1',
      '64:ff9b::a9fe:a9fe',
      '2002:7f00:1::1',
      '2001:0:7f00:1::',
      'localhost',
      '',
    ],
  ],
] as const)('%s: what a tenant may reach depends on it', (scope, addresses) => {
  for (const address of addresses) expect([address, addressScope(address)]).toEqual([address, scope]);
});

it('no name of an allowed domain leads an image to the metadata service of a cloud', () => {
  for (const address of ['100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'])
    expect([address, addressScope(address)]).toEqual([address, 'local']);
});

it('addresses that are reserved from workload clusters are reserved from image servers, too', () => {
  const first = SPECIAL_RANGES.map(({ cidr }) => cidr.replace(/\/.*/, ''));
  expect(first.filter((address) => addressScope(address) !== 'local')).toEqual([]);
});

it('a scope includes the narrower ones', () => {
  expect(includesScope('public', 'private')).toBe(false);
  expect(includesScope('private', 'public')).toBe(true);
  expect(includesScope('private', 'local')).toBe(false);
  expect(includesScope('local', 'local')).toBe(true);
  expect(widestScope(['public', 'local', 'private'])).toBe('local');
  expect(widestScope([])).toBeUndefined();
});
