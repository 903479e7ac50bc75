/** Verifies what `caplv doctor --fix` offers to make on a host, and what it leaves alone. */

import { describe, expect, it } from 'vitest';
import { parseDistribution } from '../../../src/cli/doctor/distribution.ts';
import { presence, virtualisation } from '../../../src/cli/doctor/host-checks.ts';
import { type RepairRequest, repairsOf } from '../../../src/cli/doctor/repair.ts';
import { type HostURI, isProblem, parseHostURI } from '../../../src/libvirt/host-uri.ts';

function host(uri: string): HostURI {
  const read = parseHostURI(uri);
  if (isProblem(read)) throw new Error(read.message);
  return read;
}

const pool = (name: string, active: boolean, path: string) => ({
  name,
  active,
  details: { uuid: name, type: 'dir', path, capacityBytes: 1, availableBytes: 1 },
});
const network = (name: string, active: boolean, ...ranges: string[]) => ({
  name,
  active,
  details: { uuid: name, mode: 'nat', addresses: [], ranges, dhcp: true },
});

const EMPTY: RepairRequest = {
  host: host('qemu:///system'),
  facts: { pools: [], networks: [] },
  pool: 'default',
  network: 'default',
  ranges: [],
  dataHome: '/home/anna/.local/share',
};

const POOL =
  'the pool "default" does not exist. Create it in /var/lib/libvirt/images, started now and with the host?';
const inRange = (range: string) =>
  `the network "default" does not exist. Create it with NAT and DHCP in ${range}, started now and with the host?`;
const NETWORK = inRange('192.168.122.0/24');

const CASES: readonly [string, Partial<RepairRequest>, readonly (string | RegExp)[]][] = [
  ['a host with neither', {}, [POOL, NETWORK]],
  ['a remote host with neither', { host: host('qemu+ssh://root@rack1/system') }, [POOL, NETWORK]],
  [
    'a host with both',
    {
      facts: { pools: [pool('default', true, '/srv')], networks: [network('default', true, '10.0.0.1/24')] },
    },
    [],
  ],
  [
    'a host where both are inactive',
    { facts: { pools: [pool('default', false, '/srv')], networks: [network('default', false)] } },
    [
      'the pool "default" is not active. Start it, now and with the host?',
      'the network "default" is not active. Start it, now and with the host?',
    ],
  ],
  [
    'one of another name that is inactive',
    {
      facts: { pools: [pool('fast', false, '/srv')], networks: [network('default', true)] },
      pool: 'fast',
    },
    ['the pool "fast" is not active. Start it, now and with the host?'],
  ],
  [
    'those of other names, whose place nobody knows',
    { pool: 'fast', network: 'lan' },
    [/^the pool "fast" is not created: only/, /^the network "lan" is not created: only/],
  ],
  [
    'a directory that belongs to another pool',
    { facts: { pools: [pool('images', true, '/var/lib/libvirt/images/')], networks: [] } },
    [/^the pool "default" is not created: .* belongs to the pool "images"/, NETWORK],
  ],
  [
    'another network in the usual range',
    { facts: { pools: [], networks: [network('lab', true, '192.168.122.1/24')] } },
    [POOL, inRange('192.168.123.0/24')],
  ],
  [
    'an inactive network in it, which would not start any more',
    { facts: { pools: [], networks: [network('lab', false, '192.168.122.1/24')] } },
    [POOL, inRange('192.168.123.0/24')],
  ],
  [
    'a route of the host in it and an address in the next',
    { ranges: ['192.168.122.128/25', '192.168.123.7/32'] },
    [POOL, inRange('192.168.124.0/24')],
  ],
  ['a local network of all 192.168', { ranges: ['192.168.0.0/16'] }, [POOL, inRange('10.122.122.0/24')]],
  [
    'no range at all',
    { ranges: ['192.168.0.0/16', '10.0.0.0/8'] },
    [POOL, /^the network "default" is not created: every range/],
  ],
  [
    'a session of this machine',
    { host: host('qemu:///session') },
    [
      'the pool "default" does not exist. Create it in /home/anna/.local/share/libvirt/images, started now and with the host?',
      /^the network "default" is not created: a session/,
    ],
  ],
  [
    'a session of another machine',
    { host: host('qemu+ssh://anna@rack1/session') },
    [/^the pool "default" is not created: the home/, /^the network "default" is not created: a session/],
  ],
];

describe('offered for', () => {
  it.each(CASES)('%s', (_, request, offers) => {
    const texts = repairsOf({ ...EMPTY, ...request }).map((one) =>
      'reason' in one ? one.reason : one.question,
    );
    expect(texts).toEqual(
      offers.map((offer) => (typeof offer === 'string' ? offer : expect.stringMatching(offer))),
    );
  });
});

describe('the fix of a pool that', () => {
  const uri = 'qemu:///system';
  it.each([
    ['is missing', 'default', [], false, /^caplv doctor --fix creates it; or use another in the manifest/],
    ['is missing after a repair', 'default', [], true, /^define it, use another in the manifest/],
    ['is missing and has another name', 'fast', [], false, /^define it, use another in the manifest/],
    [
      'is inactive',
      'fast',
      [{ name: 'fast', active: false }],
      false,
      /^caplv doctor --fix starts it; or virsh/,
    ],
    [
      'is inactive after a repair',
      'fast',
      [{ name: 'fast', active: false }],
      true,
      /^virsh -c qemu:\/\/\/system pool-start fast$/,
    ],
  ])('%s', (_, name, pools, isRepaired, fix) => {
    expect(presence('pool', name, pools, { uri, isRepaired })).toMatchObject({
      result: 'warning',
      fix: expect.stringMatching(fix),
    });
  });
});

describe('virtualisation of', () => {
  const debian = parseDistribution('ID=debian\n', 'x64');
  it.each([
    ['a host with kvm', { kvm: true, qemu: true }, debian, 'ok', undefined],
    ['a host without', { kvm: false, qemu: true }, debian, 'warning', /^enable virtualisation/],
    [
      'this machine without QEMU',
      { kvm: false, qemu: false },
      debian,
      'failed',
      /^sudo apt-get install qemu-system-x86/,
    ],
    [
      'another machine without QEMU',
      { kvm: false, qemu: false },
      undefined,
      'failed',
      /^install QEMU on the host$/,
    ],
  ])('%s', (_, types, distribution, result, fix) => {
    expect(virtualisation(types, distribution)).toMatchObject({
      result,
      ...(fix && { fix: expect.stringMatching(fix) }),
    });
  });
});
