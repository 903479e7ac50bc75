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
  it.each([
    'qemu+ssh://root@rack1/system?command=/bin/evil',
    'qemu+ssh://root@rack1/system?netcat=/bin/evil',
    'qemu+ssh://root@rack1/system?keyfile=/k&proxy=native',
    'test:///var/run/secrets/kubernetes.io/serviceaccount/token',
  ])('%s, which names a program or a file of the controller, is closed', (uri) => {
    expect(policy(CLUSTER_DEFAULT).host(uri)).toBe(false);
  });

  it('are open until one is listed', () => {
    expect(policy(CLUSTER_DEFAULT).host('qemu+ssh://root@rack1/system?keyfile=/k')).toBe(true);
    const listed = policy('host:qemu+ssh://root@rack1/system');
    expect(listed.host('qemu+ssh://root@rack1/system')).toBe(true);
    expect(listed.host('qemu+ssh://root@rack2/system')).toBe(false);
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
  expect(() => policy('https//images.example.com')).toThrowError(/cannot be used/);
  expect(() => policy('Terraform')).toThrowError(/cannot be used/);
});
