/** Verifies how the addresses of guests are read from virsh. */

import { expect, test } from 'vitest';
import { isReachable, parseAddresses } from '../../src/libvirt/addresses.ts';
import { leasedAddresses, parseLeases } from '../../src/libvirt/leases.ts';
import { fixture } from './fixture.ts';

test('a lease becomes an address', () => {
  expect(parseAddresses(fixture('domifaddr-lease.txt'), 'lease')).toEqual([
    { mac: '52:54:00:aa:00:11', address: '192.168.122.16', prefix: 24, family: 'ipv4', source: 'lease' },
  ]);
});

test('what only the guest itself can reach never becomes an address of a Machine', () => {
  const text = ` lo         00:00:00:00:00:00    ipv4         127.0.0.1/8
 lo         00:00:00:00:00:00    ipv6         ::1/128
 eth0       52:54:00:AA:00:11    ipv4         192.168.122.16/24
 eth0       52:54:00:AA:00:11    ipv6         fd00::5054:ff:feaa:11/64
 eth0       52:54:00:AA:00:11    ipv6         fe80::5054:ff:feaa:11/64
 wlan0      N/A                  N/A          N/A
`;
  expect(parseAddresses(text, 'agent').map(({ mac, address, family }) => [mac, address, family])).toEqual([
    ['52:54:00:aa:00:11', '192.168.122.16', 'ipv4'],
    ['52:54:00:aa:00:11', 'fd00::5054:ff:feaa:11', 'ipv6'],
  ]);
});

test.each([
  ['169.254.3.4', false],
  ['febf::1', false],
  ['fec0::1', true],
  ['10.0.0.1', true],
  ['2001:db8::1', true],
])('%s reachable: %s', (address, reachable) => {
  expect(isReachable(address)).toBe(reachable);
});

test('leases of a whole network are read, times in UTC', () => {
  const leases = parseLeases(fixture('net-dhcp-leases.txt'));
  expect(leases).toHaveLength(3);
  expect(leases[1]).toEqual({
    mac: '52:54:00:aa:00:11',
    address: '192.168.122.16',
    prefix: 24,
    family: 'ipv4',
    hostname: 'caplv-guest',
    expiresAt: new Date('2026-11-23T16:26:50Z'),
  });
  expect(leases[2]?.hostname).toBeUndefined();
});

test('a domain gets the leases of its own interfaces only', () => {
  const leases = parseLeases(fixture('net-dhcp-leases.txt'));
  const found = leasedAddresses(leases, ['52:54:00:aa:00:11', '52:54:00:aa:00:12']);
  expect(found.map(({ address }) => address)).toEqual(['192.168.122.16', '192.168.122.17']);
});
