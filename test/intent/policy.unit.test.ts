import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLUSTER_DEFAULT, Policy, UNLIMITED } from '../../src/intent/policy.ts';

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
  });
});

it('a form that is not known stops the controller, and does not stand for nothing', () => {
  expect(() => policy('https//images.example.com')).toThrowError(/invalid value/);
  expect(() => policy('Terraform')).toThrowError(/invalid value/);
});
