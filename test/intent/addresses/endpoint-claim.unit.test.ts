/** Verifies which address of a range a cluster claims as its endpoint. */

import { expect, it } from 'vitest';
import { addressesIn } from '../../../src/api/infrastructure/endpoint-range.ts';
import {
  type ClaimNetwork,
  claimantOf,
  claimName,
  describeUnclaimable,
  freeAddresses,
  missingClaim,
} from '../../../src/intent/addresses/endpoint-claim.ts';
import { planReservations } from '../../../src/intent/reservations.ts';
import { PORT_GROUP, type Reservation } from '../../../src/libvirt/reservations.ts';

const UID = '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed';
const OTHER = '2b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed';

const claim = (uid: string, ip: string): Reservation => ({
  mac: undefined,
  name: claimName(uid),
  ip,
  parentIndex: 0,
});

interface Seen {
  readonly live?: Reservation[];
  readonly stored?: Reservation[];
  readonly leased?: string[];
}

function network({ live = [], stored = live, leased = [] }: Seen = {}): ClaimNetwork {
  const ranges = [{ address: '10.17.3.1', prefix: 24, parentIndex: 0 }];
  return { name: 'fuji', addresses: { ranges, live, stored }, leased: new Set(leased) };
}

const free = (networks: ClaimNetwork[], [from = '', to = '']: string[], inUse: string[] = []) =>
  freeAddresses(addressesIn({ from, to }), { uid: UID, networks, inUse: new Set(inUse) });

it('lists both ends of a range', () => {
  expect(addressesIn({ from: '10.17.3.9', to: '10.17.3.11' })).toEqual([
    '10.17.3.9',
    '10.17.3.10',
    '10.17.3.11',
  ]);
  expect(addressesIn({ from: '10.17.3.9', to: '10.17.3.9' })).toEqual(['10.17.3.9']);
});

const machine = { mac: '52:54:00:00:00:01', name: 'machine', ip: '10.17.3.2', parentIndex: 0 };

it.each([
  ['the host’s own address, nor that of the network', network(), ['10.17.3.0', '10.17.3.3'], ['2', '3']],
  ['the broadcast address', network(), ['10.17.3.254', '10.17.3.255'], ['254']],
  ['one of another network', network(), ['10.17.4.1', '10.17.4.2'], []],
  ['one that is reserved for a machine', network({ live: [machine] }), ['10.17.3.2', '10.17.3.3'], ['3']],
  [
    'one that is reserved for later starts alone',
    network({ live: [], stored: [machine] }),
    ['10.17.3.2', '10.17.3.3'],
    ['3'],
  ],
  [
    'one of another cluster',
    network({ live: [claim(OTHER, '10.17.3.2')] }),
    ['10.17.3.2', '10.17.3.3'],
    ['3'],
  ],
  ['one that a guest has leased', network({ leased: ['10.17.3.2'] }), ['10.17.3.2', '10.17.3.3'], ['3']],
])('a cluster is not given %s', (_, one, range, expected) => {
  expect(free([one], range)).toEqual(expected.map((last) => `10.17.3.${last}`));
});

it('a cluster is not given an address that a machine or another cluster has without a reservation', () => {
  expect(free([network()], ['10.17.3.2', '10.17.3.4'], ['10.17.3.2', '10.17.3.3'])).toEqual(['10.17.3.4']);
});

it('a cluster on several hosts gets an address that is free on all of them', () => {
  const second = network({ live: [claim(OTHER, '10.17.3.3')] });
  expect(free([network({ leased: ['10.17.3.2'] }), second], ['10.17.3.2', '10.17.3.4'])).toEqual([
    '10.17.3.4',
  ]);
});

it('the address that a cluster claimed before it was written down comes first', () => {
  expect(free([network({ live: [claim(UID, '10.17.3.3')] })], ['10.17.3.2', '10.17.3.4'])).toEqual([
    '10.17.3.3',
    '10.17.3.2',
    '10.17.3.4',
  ]);
});

it.each([
  ['as it runs and as it is stored', network(), ['live', 'config']],
  ['where a killed controller has not', network({ live: [claim(UID, '10.17.3.2')], stored: [] }), ['config']],
  ['as it is stored, if it is off', { live: undefined, stored: [] }, ['config']],
  ['nowhere, if it has', network({ live: [claim(UID, '10.17.3.2')] }), undefined],
])('a network reserves the address %s', (_, one, where) => {
  const { addresses } = 'addresses' in one ? one : network();
  const seen = 'addresses' in one ? addresses : { ...addresses, ...one };
  expect(missingClaim(UID, '10.17.3.2', seen)?.where).toEqual(where);
});

it('the name of a claim says whose it is, and is a host name', () => {
  expect(claimName(UID).length).toBeLessThanOrEqual(63);
  expect(claimantOf({ name: claimName(UID) })).toBe(UID);
  expect(claimantOf({ name: 'printer' })).toBeUndefined();
});

it('a machine that asks for the endpoint of a cluster is refused, and not advised to remove it', () => {
  const wanted = { index: 0, network: 'fuji', hostname: 'web', address: '10.17.3.2' };
  const { addresses } = network({ live: [claim(UID, '10.17.3.2')] });
  const { problems } = planReservations([wanted], new Map([['fuji', addresses]]), () => undefined);
  expect(problems[0]).toMatchObject({
    kind: 'taken',
    message: expect.stringContaining(`LibvirtCluster with uid ${UID}`),
    fix: 'use another address',
  });
});

const bridge = (live: Reservation[] = []): ClaimNetwork => ({
  ...network({ live }),
  addresses: { ranges: [], live, stored: live },
});

it('a network without addresses of its own keeps any IPv4 address, as a port group, and gives it to one cluster', () => {
  const { addresses } = bridge();
  expect(free([bridge()], ['10.17.3.2', '10.17.3.3'])).toEqual(['10.17.3.2', '10.17.3.3']);
  const missing = missingClaim(UID, '10.17.3.2', addresses);
  expect(missing).toMatchObject({ entry: { parentIndex: PORT_GROUP }, where: ['live', 'config'] });
  const other = { ...claim(OTHER, '10.17.3.2'), parentIndex: PORT_GROUP };
  expect(free([bridge([other])], ['10.17.3.2', '10.17.3.3'])).toEqual(['10.17.3.3']);
});

it('a name that is no address is kept by no network', () => {
  for (const { addresses } of [network(), bridge()])
    expect(describeUnclaimable("api.example.com'/>", 'fuji', addresses)).toContain('no IPv4 address');
});
