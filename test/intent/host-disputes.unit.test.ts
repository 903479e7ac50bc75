/** Verifies which of several Clusters owns a network or pool. */

import { expect, test } from 'vitest';
import type { ClusterNetwork, ClusterPool } from '../../src/api/kinds/cluster-provider-spec.ts';
import { type ClusterSite, findConflict, ownerOf, withoutConflicts } from '../../src/intent/host-disputes.ts';
import type { Site } from '../../src/intent/site.ts';
import { hostAt } from '../lab/host-uri.ts';

const LAN: ClusterNetwork = { name: 'lan', mode: 'none', addresses: ['10.1.0.0/24'] };
const OTHER_LAN: ClusterNetwork = { ...LAN, addresses: ['10.2.0.0/24'] };

function site(network: ClusterNetwork, pool: ClusterPool = { name: 'default' }): Site {
  return { name: 'a', uri: hostAt('qemu:///system'), network, pool, failureDomain: undefined };
}

function cluster(name: string, one: Site, held: ClusterSite['held'] = {}): ClusterSite {
  const year = { oldest: 2020, older: 2021, loser: 2022 }[name] ?? 2023;
  return { namespace: 'team', name, createdAt: `${year}-01-01T00:00:00Z`, site: one, held };
}

const own = (one: Site, held: ClusterSite['held'] = {}) => cluster('own', one, held);
const older = (one: Site, held: ClusterSite['held'] = {}) => [cluster('older', one, held)];

test('two Clusters that give a network different values: the older keeps it, the other is told its owner', () => {
  const mine = site(OTHER_LAN, { name: 'mine', path: '/mine' });
  expect(findConflict(own(mine), older(site(LAN)))).toMatchObject({
    code: 'NotOwned',
    path: 'network',
    message: 'the network "lan" of a is managed by the Cluster team/older, with other values',
  });
  expect(withoutConflicts(own(mine), older(site(LAN)))).toEqual({ ...mine, network: { name: 'lan' } });
});

test('so it is with a pool', () => {
  const mine = site(LAN, { name: 'fast', path: '/b' });
  const theirs = older(site(LAN, { name: 'fast', path: '/a' }));
  expect(findConflict(own(mine), theirs)).toMatchObject({ path: 'pool' });
  expect(withoutConflicts(own(mine), theirs)).toEqual({ ...mine, pool: { name: 'fast' } });
});

test('only the one counts whose it is, and not another that lost to it', () => {
  const others = [...older(site(LAN)), cluster('loser', site(OTHER_LAN))];
  expect(findConflict(own(site(LAN)), others)).toBeUndefined();
  expect(findConflict(own(site(OTHER_LAN)), others)?.message).toContain('team/older');
});

test.each([
  ['alike, also by a default that one of them spells out', { ...LAN, dhcp: true }, LAN],
  ['under names of their own', { ...LAN, name: 'mine' }, OTHER_LAN],
  ['or only one of them manages it', { name: 'lan' }, LAN],
  ['or the other only names it', LAN, { name: 'lan' }],
])('nothing speaks against networks that are managed %s', (_, mine, theirs) => {
  expect(findConflict(own(site(mine)), older(site(theirs)))).toBeUndefined();
  expect(withoutConflicts(own(site(mine)), older(site(theirs)))).toEqual(site(mine));
});

test('a Cluster that has a network by its status keeps it, whatever an older one begins to ask for', () => {
  const mine = own(site(OTHER_LAN), { network: 'lan' });
  expect(findConflict(mine, older(site(LAN)))).toBeUndefined();
  expect(findConflict(cluster('older', site(LAN)), [mine])?.message).toContain('team/own');
  expect(ownerOf('network', 'lan', [...older(site(LAN)), mine])).toBe(mine);
});

test.each([
  [
    'of the oldest that manages it',
    [cluster('older', site(LAN)), cluster('oldest', site(OTHER_LAN))],
    'oldest',
  ],
  [
    'of the one that has it',
    [cluster('older', site(LAN), { network: 'lan' }), cluster('oldest', site(LAN))],
    'older',
  ],
  [
    'not of one that only names it',
    [cluster('oldest', site({ name: 'lan' })), cluster('older', site(LAN))],
    'older',
  ],
  [
    'not of one that has had another',
    [cluster('oldest', site(LAN)), cluster('older', site(LAN), { network: 'wan' })],
    'oldest',
  ],
  ['of none if all only name it', [cluster('oldest', site({ name: 'lan' }), { network: 'lan' })], undefined],
])('a network is %s', (_, sites, expected) => {
  expect(ownerOf('network', 'lan', sites)?.name).toBe(expected);
});
