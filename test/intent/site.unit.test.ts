/** Verifies which host, network and pool a machine uses. */

import { describe, expect, it } from 'vitest';
import { hostIntent } from '../../src/intent/host-intent.ts';
import { candidateSites, siteAt, siteLabel, sitesOf } from '../../src/intent/site.ts';
import { hostAt } from '../lab/host-uri.ts';

const DEFAULT = 'qemu:///system';
const A = hostAt('qemu+ssh://a/system');
const B = hostAt('qemu+ssh://b/system');
const twoHosts = {
  allowOvercommit: false,
  network: { name: 'shared' },
  hosts: [
    { name: 'rack1', uri: 'qemu+ssh://root@rack1/system', pool: { name: 'fast' } },
    { name: 'rack2', uri: 'qemu+ssh://root@rack2/system' },
  ],
};

describe('where a machine goes', () => {
  it('without a Cluster: the default host, network and pool', () => {
    expect(candidateSites({}, undefined, DEFAULT)).toMatchObject([
      { uri: DEFAULT, network: { name: 'default' }, pool: { name: 'default' } },
    ]);
  });

  it("a host takes its own pool, and the Cluster's network where it names none", () => {
    expect(sitesOf(twoHosts, DEFAULT)).toMatchObject([
      { name: 'rack1', network: { name: 'shared' }, pool: { name: 'fast' } },
      { name: 'rack2', network: { name: 'shared' }, pool: { name: 'default' } },
    ]);
  });

  it('a named host is the only candidate, an unknown one is refused with those that there are', () => {
    expect(candidateSites({ host: 'rack2' }, twoHosts, DEFAULT).map(({ name }) => name)).toEqual(['rack2']);
    expect(() => candidateSites({ host: 'rack3' }, twoHosts, DEFAULT)).toThrow(
      expect.objectContaining({ code: 'InvalidConfiguration', fix: expect.stringContaining('rack1, rack2') }),
    );
  });

  it('a failure domain is a group of hosts, or a single host; an unknown one is refused with the known ones', () => {
    const [rack1 = {}, rack2 = {}] = twoHosts.hosts;
    const zones = { ...twoHosts, hosts: [{ ...rack1, failureDomain: 'zone-a' }, rack2] } as typeof twoHosts;
    const placesIn = (failureDomain: string) =>
      candidateSites({ failureDomain }, zones, DEFAULT).map(({ name }) => name);
    expect([placesIn('zone-a'), placesIn('rack2')]).toEqual([['rack1'], ['rack2']]);
    expect(() => placesIn('rack1')).toThrow(
      expect.objectContaining({
        code: 'InvalidConfiguration',
        fix: expect.stringContaining('zone-a, rack2'),
      }),
    );
    expect(() => candidateSites({ failureDomain: 'rack1' }, zones, DEFAULT, 'spec')).toThrow(
      expect.objectContaining({ path: 'spec.failureDomain' }),
    );
    expect(() => candidateSites({ failureDomain: 'zone-a', host: 'rack2' }, zones, DEFAULT)).toThrow(
      'no host on which the machine may be placed is in the failure domain "zone-a"',
    );
  });

  it('a machine that exists stays on its host, even when the Cluster has lost it', () => {
    expect(siteAt('qemu+ssh://root@rack9/system', sitesOf(twoHosts, DEFAULT)).uri).toBe(
      'qemu+ssh://root@rack9/system',
    );
  });

  it('a machine that exists keeps its network and pool, whatever its Cluster gives by now', () => {
    const sites = sitesOf(twoHosts, DEFAULT);
    const uri = 'qemu+ssh://root@rack1/system';
    expect(siteAt(uri, sites, { network: 'shared', pool: 'fast' })).toEqual(siteAt(uri, sites));
    expect(siteAt(uri, sites, { network: 'earlier', pool: 'default' })).toMatchObject({
      name: 'rack1',
      network: { name: 'earlier' },
      pool: { name: 'default' },
    });
  });

  it.each([
    ['qemu:///system', 'localhost'],
    ['qemu+unix:///system?socket=/run/x', 'localhost'],
    ['qemu+ssh://root@rack1.example.com/system?keyfile=/k', 'rack1.example.com'],
    ['qemu+tcp://10.0.0.1:16509/system', '10.0.0.1:16509'],
  ])('people call %s %s', (uri, label) => {
    expect(siteLabel({ name: undefined, uri })).toBe(label);
  });
});

describe('what machines of a host share', () => {
  const sites = [
    {
      name: undefined,
      uri: A,
      network: { name: 'ours', mode: 'nat' as const, addresses: ['10.0.0.0/24'] },
      pool: { name: 'default' },
      failureDomain: undefined,
    },
    {
      name: undefined,
      uri: B,
      network: { name: 'elsewhere', mode: 'none' as const, addresses: [] },
      pool: { name: 'p', path: '/p' },
      failureDomain: undefined,
    },
  ];
  const image = { uri: A, pool: 'default', volume: 'base', source: '/base.qcow2' };

  it('is made once, however many use it, and only on their own host', () => {
    const intent = hostIntent(A, [...sites, ...sites], [image, image, { ...image, uri: B, volume: 'other' }]);
    expect(intent.networks.map(({ name }) => name)).toEqual(['ours']);
    expect(intent.pools).toEqual([]);
    expect(intent.images).toEqual([{ pool: 'default', volume: 'base', source: '/base.qcow2' }]);
  });

  it('does not depend on the order of its users', () => {
    const images = [image, { ...image, volume: 'zwei' }];
    expect(hostIntent(A, sites, images)).toEqual(hostIntent(A, [...sites].reverse(), [...images].reverse()));
  });
});
