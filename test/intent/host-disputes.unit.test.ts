import { expect, test } from 'vitest';
import type { ClusterNetwork, ClusterPool } from '../../src/api/kinds/cluster-provider-spec.ts';
import { findConflict, withoutConflicts } from '../../src/intent/host-disputes.ts';
import type { Site } from '../../src/intent/site.ts';
import { hostAt } from '../lab/host-uri.ts';

const LAN: ClusterNetwork = { name: 'lan', mode: 'none', addresses: ['10.1.0.0/24'] };
const OTHER_LAN: ClusterNetwork = { ...LAN, addresses: ['10.2.0.0/24'] };

function site(network: ClusterNetwork, pool: ClusterPool = { name: 'default' }): Site {
  return { name: 'a', uri: hostAt('qemu:///system'), network, pool, failureDomain: undefined };
}

const older = (one: Site) => [{ cluster: 'team/older', site: one }];

test('two Clusters that manage a network otherwise: the older keeps it, the other is told whose it is', () => {
  const mine = site(OTHER_LAN, { name: 'mine', path: '/mine' });
  expect(findConflict(mine, older(site(LAN)))).toMatchObject({
    code: 'NotOwned',
    path: 'network',
    message: 'the network "lan" of a is managed by the Cluster team/older, with other values',
  });
  expect(withoutConflicts(mine, older(site(LAN)))).toEqual({ ...mine, network: { name: 'lan' } });
});

test('so it is with a pool', () => {
  const mine = site(LAN, { name: 'fast', path: '/b' });
  const theirs = older(site(LAN, { name: 'fast', path: '/a' }));
  expect(findConflict(mine, theirs)).toMatchObject({ path: 'pool' });
  expect(withoutConflicts(mine, theirs)).toEqual({ ...mine, pool: { name: 'fast' } });
});

test('only the one counts whose it is, and not another that lost to it', () => {
  const loser = { cluster: 'team/loser', site: site(OTHER_LAN) };
  expect(findConflict(site(LAN), [...older(site(LAN)), loser])).toBeUndefined();
  expect(findConflict(site(OTHER_LAN), [...older(site(LAN)), loser])?.message).toContain('team/older');
});

test.each([
  ['alike, also by a default that one of them spells out', { ...LAN, dhcp: true }, LAN],
  ['under names of their own', { ...LAN, name: 'mine' }, OTHER_LAN],
  ['or only one of them manages it', { name: 'lan' }, LAN],
  ['or the other only names it', LAN, { name: 'lan' }],
])('nothing speaks against networks that are managed %s', (_, mine, theirs) => {
  expect(findConflict(site(mine), older(site(theirs)))).toBeUndefined();
  expect(withoutConflicts(site(mine), older(site(theirs)))).toEqual(site(mine));
});
