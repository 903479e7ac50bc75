/** Verifies what `--allow` permits in URLs, files, hosts and fields of manifests. */

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterNetwork, ClusterPool } from '../../src/api/kinds/cluster-provider-spec.ts';
import type { ClusterSite } from '../../src/intent/host-disputes.ts';
import { CLUSTER_DEFAULT, EVERYTHING, Policy, UNLIMITED } from '../../src/intent/policy.ts';
import { requireAllowedSite, requireFreeRanges, requireUsableParts } from '../../src/intent/policy-check.ts';
import type { NamedSite } from '../../src/intent/site.ts';
import { hostAt } from '../lab/host-uri.ts';

const policy = (allow: string) => new Policy({ allow });

describe('URLs', () => {
  it.each([
    ['https://', 'https://example.com/disk.qcow2'],
    ['https://images.example.com', 'https://images.example.com/a/b'],
    ['https://images.example.com/public', 'https://images.example.com/public/a'],
    ['https://*.example.com/', 'https://images.example.com/a'],
    ['/srv, http://127.0.0.1:8080/', 'http://127.0.0.1:8080/a'],
  ])('%s allows %s', (allow, url) => {
    expect(policy(allow).url(url)).toBe(true);
  });

  it.each([
    ['https://', 'http://example.com/disk.qcow2'],
    ['https://images.example.com', 'https://images.example.com.evil.org/a'],
    ['https://images.example.com', 'https://images.example.com@evil.org/a'],
    ['https://images.example.com', 'https://images.example.com:8443/a'],
    ['https://images.example.com/public', 'https://images.example.com/public/../private/a'],
    ['https://images.example.com/public', 'https://images.example.com/public%2f..%2fprivate'],
    ['https://images.example.com/public', 'https://images.example.com/publicity'],
    ['https://*.example.com/', 'https://evilexample.com/a'],
    ['/', 'https://example.com/a'],
  ])('%s does not allow %s', (allow, url) => {
    expect(policy(allow).url(url)).toBe(false);
  });
});

it.each([
  ['https://', 'public'],
  ['https://*.example.com', 'private'],
  ['https://images.example.com/public', 'local'],
  ['https://, https://*.example.com', 'private'],
  ['http://', undefined],
  ['everything', 'local'],
])('%s lets the host of a URL have addresses that are at most %s', (allow, scope) => {
  expect(policy(allow).addressesOf('https://images.example.com/public/a')).toBe(scope);
});

describe('files', () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caplv-policy-'));
    await mkdir(join(directory, 'images'));
    await writeFile(join(directory, 'token'), 'secret');
    await writeFile(join(directory, 'images', 'disk'), '');
    await symlink(join(directory, 'token'), join(directory, 'images', 'link'));
    await symlink(join(directory, 'images'), join(directory, 'linked'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('below an allowed directory may be read, and none that a path or a link leads to from there', async () => {
    const allowed = policy(join(directory, 'images'));
    expect(await allowed.file(join(directory, 'images', 'disk'))).toBe(true);
    expect(await allowed.file(join(directory, 'linked', 'disk'))).toBe(true);
    expect(await allowed.file(join(directory, 'images', 'link'))).toBe(false);
    expect(await allowed.file(join(directory, 'images', '..', 'token'))).toBe(false);
    expect(await allowed.file(`${join(directory, 'images')}-other`)).toBe(false);
  });

  it('are closed to manifests of a cluster, and open to one’s own', async () => {
    expect(await policy(CLUSTER_DEFAULT).file('/etc/hostname')).toBe(false);
    expect(await UNLIMITED.file('/etc/hostname')).toBe(true);
  });
});

describe('hosts', () => {
  const cluster = (allow: string, libvirtUri = 'qemu:///system') =>
    new Policy({ allow: `${CLUSTER_DEFAULT},${allow}`, libvirtUri });

  it.each([
    'qemu+ssh://root@rack1/system',
    'qemu+ssh://root@rack1/system?command=/bin/evil',
    'qemu+ssh://root@rack1/system?keyfile=/k&proxy=native',
    'test:///var/run/secrets/kubernetes.io/serviceaccount/token',
    'qemu:///session',
  ])('%s is closed to manifests of a cluster until it is listed', (uri) => {
    expect(policy(CLUSTER_DEFAULT).host(uri)).toBeUndefined();
    expect(cluster('host:qemu+ssh://root@rack2/system').host(uri)).toBeUndefined();
  });

  it('are reached as the operator has listed them, however a manifest spells their name', () => {
    const listed = 'qemu+ssh://root@rack1/system?keyfile=/k';
    const allowed = cluster(`host:${listed}`);
    for (const spelling of [listed, 'qemu+ssh://root@rack1/system', 'qemu+ssh://root@RACK1:22/system']) {
      expect(allowed.host(spelling)).toBe(listed);
    }
    expect(allowed.host('qemu:///system')).toBe('qemu:///system');
  });

  it.each([
    'no_verify=1',
    'keyfile=/other',
    'command=/k',
    'known_hosts_verify=ignore',
    'keyfile=/k&no_tty=0',
  ])(
    'a manifest that adds %s to a listed host is refused: a tenant names no file of the pod, and turns no check off',
    (parameter) => {
      const allowed = cluster('host:qemu+ssh://root@rack1/system?keyfile=/k');
      expect(allowed.host(`qemu+ssh://root@rack1/system?${parameter}`)).toBeUndefined();
    },
  );

  it('of one’s own manifests may be any, in one text each', () => {
    expect(UNLIMITED.host('qemu+ssh://root@Rack1/system?netcat=nc')).toBe(
      'qemu+ssh://root@rack1/system?netcat=nc',
    );
    expect(UNLIMITED.host('qemu+ssh://root@rack1/system?no_tty=1;netcat=nc')).toBeUndefined();
  });

  it('that were written otherwise are remembered by that, for states that lie under it', () => {
    const allowed = cluster('host:qemu+ssh://root@Rack1/system');
    const host = allowed.host('qemu+ssh://root@rack1:22/system');
    expect(host && allowed.hosts.spellingsOf(host)).toEqual([
      'qemu+ssh://root@Rack1/system',
      'qemu+ssh://root@rack1:22/system',
    ]);
  });

  it('that are listed with two sets of parameters, or cannot be read, stop the controller', () => {
    const twice = 'host:qemu+ssh://root@rack1/system?keyfile=/a,host:qemu+ssh://root@rack1/system?keyfile=/b';
    expect(() => cluster(twice)).toThrow(expect.objectContaining({ path: '--allow' }));
    expect(() => cluster('', 'qemu:///system;a')).toThrow(expect.objectContaining({ path: '--libvirt-uri' }));
  });
});

describe('volumes and pools', () => {
  it('are open by pool or by name, images apart from disks', () => {
    const allowed = policy('volume:images/,disk:data/one.qcow2,pool:/srv/caplv');
    expect(allowed.image('images', 'debian.qcow2')).toBe(true);
    expect(allowed.disk('images', 'debian.qcow2')).toBe(false);
    expect(allowed.disk('data', 'one.qcow2')).toBe(true);
    expect(allowed.disk('data', 'two.qcow2')).toBe(false);
    expect(allowed.poolPath('/srv/caplv/a')).toBe(true);
    expect(allowed.poolPath('/srv/caplv/../../etc')).toBe(false);
    expect(allowed.poolPath('/srv/caplv/'.padEnd(4_096, 'a'))).toBe(true);
    expect(allowed.poolPath('/srv/caplv/'.padEnd(4_097, 'a'))).toBe(false);
  });
});

const CLUSTER = policy(CLUSTER_DEFAULT);

function siteWith(network: ClusterNetwork, pool: ClusterPool = { name: 'default' }): NamedSite {
  return { name: undefined, uri: 'qemu:///system', network, pool, failureDomain: undefined };
}

describe('a network that a Cluster makes', () => {
  const made = (mode: ClusterNetwork['mode'], ...addresses: string[]) =>
    siteWith({ name: 'lan', mode, addresses });

  it.each([
    ['in a private range, translated', CLUSTER_DEFAULT, made('nat', '10.17.3.0/24', 'fd00:17::/64')],
    ['isolated', CLUSTER_DEFAULT, made('none', '192.168.7.0/24')],
    ['in a listed public range, routed', 'network:203.0.113.0/24', made('route', '203.0.113.0/25')],
    ['on a listed bridge', 'bridge:br0', siteWith({ name: 'lan', mode: 'bridge', bridge: 'br0' })],
    ['of one’s own', EVERYTHING, made('open', '8.8.8.0/24')],
    [
      'under the name default, if that is listed',
      'network:default',
      siteWith({ name: 'default', mode: 'nat', addresses: ['10.1.0.0/24'] }),
    ],
    ['and that is only named', CLUSTER_DEFAULT, siteWith({ name: 'lan' })],
  ])('%s is allowed by %s', (_, allow, site) => {
    expect(() => requireAllowedSite(policy(allow), site, 'spec.providerSpec')).not.toThrow();
  });

  it.each([
    [
      'in a public range',
      CLUSTER_DEFAULT,
      made('nat', '8.8.8.0/24'),
      'network.addresses[0]',
      'network:8.8.8.0/24',
    ],
    [
      'in a public range of IPv6',
      CLUSTER_DEFAULT,
      made('nat', '10.1.0.0/24', '2001:db8::/64'),
      'network.addresses[1]',
      'network:2001:db8::/64',
    ],
    [
      'of loopback',
      CLUSTER_DEFAULT,
      made('none', '127.0.0.0/8'),
      'network.addresses[0]',
      'network:127.0.0.0/8',
    ],
    [
      'larger than a private range',
      CLUSTER_DEFAULT,
      made('none', '10.0.0.0/7'),
      'network.addresses[0]',
      'network:10.0.0.0/7',
    ],
    [
      'routed, in a range that is not listed',
      CLUSTER_DEFAULT,
      made('route', '10.1.0.0/24'),
      'network.mode',
      'network:10.1.0.0/24',
    ],
    [
      'open, in a range that is not listed',
      CLUSTER_DEFAULT,
      made('open', '10.1.0.0/24'),
      'network.mode',
      'network:10.1.0.0/24',
    ],
    [
      'outside of the listed ranges',
      'network:10.9.0.0/16',
      made('nat', '10.1.0.0/24'),
      'network.addresses[0]',
      'network:10.1.0.0/24',
    ],
    [
      'on a bridge that is not listed',
      'bridge:br0',
      siteWith({ name: 'lan', mode: 'bridge', bridge: 'br1' }),
      'network.bridge',
      'bridge:br1',
    ],
    [
      'under the name default',
      CLUSTER_DEFAULT,
      siteWith({ name: 'default', mode: 'nat', addresses: ['10.1.0.0/24'] }),
      'network.name',
      'network:default',
    ],
    [
      'with a pool by the name default',
      'pool:/srv',
      siteWith({ name: 'lan' }, { name: 'default', path: '/srv/a' }),
      'pool.name',
      'pool:default',
    ],
  ])('%s is refused by %s', (_, allow, site, path, entry) => {
    expect(() => requireAllowedSite(policy(allow), site, 'spec.providerSpec')).toThrow(
      expect.objectContaining({
        code: 'NotAllowed',
        path: `spec.providerSpec.${path}`,
        fix: expect.stringContaining(`with ${entry}`),
      }),
    );
  });

  it('may not overlap another network of the host, and an existing one may stay', () => {
    const there = new Map([
      ['corp', ['10.17.0.1/16', 'fd00:1::1/64']],
      ['lan', ['10.17.3.1/24']],
    ]);
    const free = (name: string, ...addresses: string[]) =>
      requireFreeRanges({ name, addresses }, there, 'spec.providerSpec');
    expect(() => free('lan', '10.17.3.0/24')).not.toThrow();
    expect(() => free('new', '10.18.0.0/24', 'fd00:2::/64')).not.toThrow();
    const taken = (index: number) =>
      expect.objectContaining({
        code: 'AddressInUse',
        path: `spec.providerSpec.network.addresses[${index}]`,
        message: expect.stringContaining('network "corp"'),
      });
    expect(() => free('lan', '10.17.4.0/24')).toThrow(taken(0));
    expect(() => free('new', '10.0.0.0/8')).toThrow(taken(0));
    expect(() => free('new', '10.18.0.0/24', 'fd00::/16')).toThrow(taken(1));
  });
});

describe('a network or pool that is used', () => {
  const claims: ClusterSite[] = ['a', 'b'].map((namespace, index) => ({
    namespace,
    name: 'prod',
    createdAt: `202${index}-01-01T00:00:00Z`,
    held: {},
    site: {
      ...siteWith(
        { name: `lan-${namespace}`, mode: 'none', addresses: ['10.1.0.0/24'] },
        { name: `pool-${namespace}`, path: '/srv' },
      ),
      uri: hostAt('qemu:///system'),
    },
  }));
  const use = (allow: string, what: 'network' | 'pool', name: string) => () =>
    requireUsableParts(policy(allow), 'a', [{ what, name, path: 'field' }], claims);

  it.each([
    [CLUSTER_DEFAULT, 'network', 'default'],
    [CLUSTER_DEFAULT, 'pool', 'default'],
    [CLUSTER_DEFAULT, 'network', 'lan-a'],
    [CLUSTER_DEFAULT, 'pool', 'pool-a'],
    ['network:lan-b', 'network', 'lan-b'],
    ['network:corp', 'network', 'corp'],
    ['pool:pool-b', 'pool', 'pool-b'],
    [EVERYTHING, 'network', 'corp'],
  ] as const)('%s lets a namespace use the %s %s', (allow, what, name) => {
    expect(use(allow, what, name)).not.toThrow();
  });

  it.each([
    ['another namespace’s', CLUSTER_DEFAULT, 'network', 'lan-b', 'a Cluster of namespace b manages'],
    ['another namespace’s', CLUSTER_DEFAULT, 'pool', 'pool-b', 'a Cluster of namespace b manages'],
    ['the host’s own', CLUSTER_DEFAULT, 'network', 'corp', 'the network "corp" of the host is not'],
    ['shared under another name', 'network:corp', 'network', 'corp-2', 'the network "corp-2"'],
    ['a pool, where a network of that name is shared', 'network:corp', 'pool', 'corp', 'the pool "corp"'],
    ['a directory, which is no pool', 'pool:/corp', 'pool', 'corp', 'the pool "corp"'],
  ] as const)('%s is refused by %s: the %s %s', (_, allow, what, name, message) => {
    expect(use(allow, what, name)).toThrow(
      expect.objectContaining({
        code: 'NotAllowed',
        path: 'field',
        message: expect.stringContaining(message),
        fix: expect.stringContaining(`with ${what}:${name}`),
      }),
    );
  });
});

it('bridges and devices of a host are allowed by name, or all', () => {
  expect(CLUSTER.bridge('br0')).toBe(false);
  expect(policy('bridge:br0').bridge('br0')).toBe(true);
  expect(policy('bridge:br0').bridge('br1')).toBe(false);
  expect(policy('bridge').bridge('br1')).toBe(true);
});

it.each(['network:', 'network:a/b', 'network:10.0.0.0/33', 'pool:a/b', 'bridge:a/b'])(
  'the form %s stops the controller',
  (form) => {
    expect(() => policy(form)).toThrowError(/invalid value/);
  },
);

it('a form that is not known stops the controller, and does not stand for nothing', () => {
  expect(() => policy('https//images.example.com')).toThrowError(/invalid value/);
  expect(() => policy('Terraform')).toThrowError(/invalid value/);
});
