/** Verifies that a fixed address is reserved, and that the reservations of others stay. */

import { describe, expect, test } from 'vitest';
import { interfacesOf } from '../../src/intent/machine-intent.ts';
import {
  type OwnerOfMac,
  ownReservations,
  planReservations,
  type WantedReservation,
  wantedReservations,
} from '../../src/intent/reservations.ts';
import type { NetworkAddresses, Reservation } from '../../src/libvirt/reservations.ts';
import { hostAt } from '../lab/host-uri.ts';

const OWN = '52:00:00:00:00:01';
const OTHER = '52:00:00:00:00:02';
const wanted: WantedReservation = {
  index: 0,
  network: 'lan',
  hostname: 'web',
  address: '192.168.122.10',
  mac: OWN,
};

function lan(entries: readonly Partial<Reservation>[], stored = entries): Map<string, NetworkAddresses> {
  const full = (all: readonly Partial<Reservation>[]) =>
    all.map((one) => ({ mac: OWN, name: 'web', ip: '192.168.122.10', parentIndex: 0, ...one }));
  const ranges = [{ address: '192.168.122.1', prefix: 24, parentIndex: 0 }];
  return new Map([['lan', { ranges, live: full(entries), stored: full(stored) }]]);
}

const owners: OwnerOfMac = (mac) =>
  mac === OTHER ? { name: 'Machine "prod/web"' } : mac === '52:00:00:00:00:0f' ? 'self' : undefined;

const plan = (networks: Map<string, NetworkAddresses>, one: Partial<WantedReservation> = {}) =>
  planReservations([{ ...wanted, ...one }], networks, owners);

describe('a fixed address', () => {
  test('that is free is reserved, where it is missing', () => {
    expect(plan(lan([]))).toMatchObject({
      problems: [],
      outdated: [],
      missing: [{ network: 'lan', ip: wanted.address, mac: OWN, name: 'web', where: ['live', 'config'] }],
    });
    expect(plan(lan([{}], []))).toMatchObject({ missing: [{ where: ['config'] }] });
    expect(plan(lan([{}]))).toEqual({ problems: [], missing: [], outdated: [] });
  });

  test.each([
    [
      'the address',
      { mac: OTHER, name: 'db' },
      'addresses[0]',
      '192.168.122.10 in network "lan" is reserved for',
    ],
    ['the host name', { mac: OTHER, ip: '192.168.122.11' }, 'hostname', 'the host name web in network "lan"'],
  ])('is refused, with its owner, where another has %s', (_, entry, field, message) => {
    const { problems } = plan(lan([entry], []));
    expect(problems).toMatchObject([{ field, kind: 'taken' }]);
    expect(problems[0]?.message).toContain(message);
    expect(problems[0]?.message).toContain('Machine "prod/web"');
  });

  test('that a person has reserved for something else stays reserved, and the error names the fix', () => {
    const [problem] = plan(lan([{ mac: '52:54:00:11:11:11', name: 'printer' }], [])).problems;
    expect(problem?.message).toContain('host "printer" (MAC 52:54:00:11:11:11)');
    expect(problem?.fix).toContain('virsh net-update lan delete ip-dhcp-host');
  });

  test.each([
    ['an earlier address of this MAC', { ip: '192.168.122.9' }],
    ['an earlier MAC of this machine', { mac: '52:00:00:00:00:0f' }],
  ])('takes the place of %s', (_, entry) => {
    expect(plan(lan([entry], []))).toMatchObject({ problems: [], outdated: [entry], missing: [{}] });
  });

  test.each([
    ['outside', '10.0.0.5', /lies outside of network "lan" \(192\.168\.122\.1\/24\)/],
    ['of the gateway', '192.168.122.1', /is the host's own address/],
    ['of the network', '192.168.122.0', /is the first address/],
    ['of broadcasts', '192.168.122.255', /is the last address/],
  ])('%s can never be had', (_, address, message) => {
    const { problems } = plan(lan([]), { address });
    expect(problems).toMatchObject([{ field: 'addresses[0]', kind: 'unusable' }]);
    expect(problems[0]?.message).toMatch(message);
  });

  // A Machine may be named so: the name is its host name then, and the guest would get no address, or a lease of a minute.
  test.each([
    ['ignore', 'the order to give the guest no address'],
    ['infinite', 'the time of the lease'],
    ['45', 'the time of the lease'],
    ['3h', 'the time of the lease'],
    ['2W', 'the time of the lease'],
    ['10.0.0.9', 'an address'],
  ])('is refused for the host name %s, which dnsmasq reads as %s', (hostname, read) => {
    const { problems } = plan(lan([]), { hostname });
    expect(problems).toMatchObject([{ field: 'hostname', kind: 'unusable' }]);
    expect(problems[0]?.message).toContain(`reads the host name ${hostname} of a reservation as ${read}`);
  });

  test.each(['web-45', '3x', 'ignored', 'h', '1.2.3'])('is reserved for the host name %s', (hostname) => {
    expect(plan(lan([]), { hostname }).problems).toEqual([]);
  });

  test('of a network without IPv4 addresses can never be had', () => {
    const networks = new Map([['lan', { ranges: [], live: [], stored: [] }]]);
    expect(plan(networks).problems[0]?.message).toContain('gives out no IPv4 addresses');
  });

  test('of a network that is not there yet has nothing against it', () => {
    expect(plan(new Map())).toEqual({ problems: [], missing: [], outdated: [] });
  });

  test('is the last but one in a network of four', () => {
    const ranges = [{ address: '10.0.0.1', prefix: 30, parentIndex: 0 }];
    const networks = new Map([['lan', { ranges, live: [], stored: [] }]]);
    expect(plan(networks, { address: '10.0.0.2' }).problems).toEqual([]);
    expect(plan(networks, { address: '10.0.0.3' }).problems).toHaveLength(1);
  });
});

describe('two interfaces of one machine in one network', () => {
  const machine = { namespace: 'default', name: 'web', uid: 'a' };
  const site = {
    name: undefined,
    uri: hostAt('qemu:///system'),
    network: { name: 'lan' },
    pool: { name: 'p' },
    failureDomain: undefined,
  };
  const both = (...more: readonly object[]) =>
    wantedReservations({
      name: 'web',
      interfaces: interfacesOf(
        machine,
        { interfaces: [192, 193].map((last, i) => ({ addresses: [`192.168.122.${last}`], ...more[i] })) },
        site,
        [OWN, OTHER],
      ),
    });

  test('have host names of their own, since the network keeps one address for each', () => {
    expect(both().map(({ hostname }) => hostname)).toEqual(['web', 'web-1']);
    expect(planReservations(both(), lan([]), () => undefined)).toMatchObject({
      problems: [],
      missing: [{ ip: '192.168.122.192' }, { ip: '192.168.122.193' }],
    });
  });

  test.each([
    ['host name', [{ hostname: 'x' }, { hostname: 'x' }]],
    ['address', [{}, { addresses: ['192.168.122.192'] }]],
  ])('are refused with the same %s', (_, more) => {
    expect(planReservations(both(...more), lan([]), () => undefined).problems).toMatchObject([
      { wanted: { index: 1 }, field: 'hostname', kind: 'unusable' },
    ]);
  });

  test('may share a host name in two networks', () => {
    expect(both({}, { network: 'other' }).map(({ hostname }) => hostname)).toEqual(['web', 'web']);
  });
});

describe('what is taken back with a machine', () => {
  const reserved = [{ network: 'lan', hostname: 'web', address: '192.168.122.10' }];
  const entries = (mac: string | undefined, networks: Map<string, NetworkAddresses>) =>
    ownReservations(
      reserved.map((one) => ({ ...one, ...(mac !== undefined && { mac }) })),
      networks,
      owners,
    ).map(({ ip }) => ip);

  test('is what has its MAC, at whatever address', () => {
    expect(entries(OWN, lan([{ ip: '192.168.122.9' }, {}]))).toEqual(['192.168.122.9', '192.168.122.10']);
  });

  test('is not what another has by now, though name and address be the same', () => {
    expect(entries(OWN, lan([{ mac: OTHER }]))).toEqual([]);
    expect(entries(OWN, lan([{ mac: '52:54:00:11:11:11' }]))).toEqual([]);
    expect(entries(undefined, lan([{ mac: OTHER }]))).toEqual([]);
  });

  test('of a machine without a recorded MAC are those with its name and address', () => {
    expect(
      entries(undefined, lan([{ mac: '52:54:00:11:11:11' }, { name: 'db', ip: '192.168.122.12' }])),
    ).toEqual(['192.168.122.10']);
  });
});
