/** Verifies that commands show drift, and repair it without the loss of data. */

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('drift');

const DOMAIN = 'default.drifting';
const drifting = () => machine('drifting', { ...here().image, running: true, shutdownTimeoutSeconds: 0 });

const get = async () => (await here().caplv.read(['get', 'machine', 'drifting'])).split('\n')[1];
const condition = async (type: string) =>
  (await here().machine('drifting')).status.conditions.find((one: { type: string }) => one.type === type);

describe('a machine that was changed with virsh', () => {
  test('created: apply succeeds', async () => {
    expect(await here().apply([drifting()])).toMatchObject({ exitCode: 0 });
  });

  test('stopped: get shows it, apply starts it', async () => {
    await here().virsh('destroy', DOMAIN);
    expect(await get()).toMatch(/^drifting +Provisioned +False +NotAsSpecified/);
    expect(await condition('DomainReady')).toMatchObject({ message: 'the domain is shutoff' });
    expect(await here().plan([drifting()])).toMatchObject({
      exitCode: 2,
      stdout: expect.stringContaining('running: false -> true'),
    });
    expect(await here().apply([drifting()])).toMatchObject({
      exitCode: 0,
      stdout: 'machine/drifting unchanged',
    });
    expect(await here().virsh('domstate', DOMAIN)).toBe('running');
    expect(await condition('DomainReady')).toMatchObject({ status: 'True' });
  });

  test('undefined: get shows it, apply creates it again on its old disk', async () => {
    const volumes = await here().volumes();
    await here().virsh('destroy', DOMAIN);
    await here().virsh('undefine', DOMAIN);
    expect(await get()).toMatch(/^drifting +Pending +False +NotAsSpecified +<none>/);
    expect(await here().plan([drifting()])).toMatchObject({
      exitCode: 2,
      stdout: expect.stringContaining('! libvirt_domain.machine was removed outside'),
    });
    const { exitCode, stderr } = await here().apply([drifting()]);
    expect(stderr).toMatch(/created libvirt_domain\.machine/);
    expect(stderr).not.toMatch(/libvirt_volume/);
    expect(exitCode).toBe(0);
    expect(await here().domains()).toEqual([DOMAIN]);
    expect(await here().volumes()).toEqual(volumes);
  });

  test('other memory: get shows it, apply says why it is not repaired without approval', async () => {
    await here().virsh('destroy', DOMAIN);
    for (const command of ['setmaxmem', 'setmem']) await here().virsh(command, DOMAIN, '160M', '--config');
    await here().virsh('start', DOMAIN);
    expect(await get()).toMatch(/^drifting +\w+ +False +NotAsSpecified/);
    expect(await condition('DomainReady')).toMatchObject({ message: 'the domain has 160 MiB of memory' });
    expect(await here().plan([drifting()])).toMatchObject({
      exitCode: 2,
      stdout: expect.stringContaining('memory: 160 -> 128  # forces replacement'),
    });
    expect(await here().apply([drifting()])).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining(
        'would replace libvirt_domain.machine (forced by memory): the guest restarts, its disks stay [ReplaceRefused]',
      ),
    });
    expect(await get()).toMatch(/^drifting +\w+ +False +ReplaceRefused/);
    expect(await here().virsh('dominfo', DOMAIN)).toMatch(/Max memory: +163840 KiB/);

    expect(await here().apply([drifting()], ['--allow-replace'])).toMatchObject({ exitCode: 0 });
    expect(await here().virsh('dominfo', DOMAIN)).toMatch(/Max memory: +131072 KiB/);
    expect(await condition('DomainReady')).toMatchObject({ status: 'True' });
  });

  test('changed back: a drift that its owner has undone is no longer shown', async () => {
    await here().virsh('autostart', DOMAIN);
    expect(await get()).toMatch(/NotAsSpecified/);
    await here().virsh('autostart', DOMAIN, '--disable');
    expect(await get()).not.toMatch(/NotAsSpecified/);
    expect(await here().plan([drifting()])).toMatchObject({ exitCode: 0 });
  });

  test('unreachable: get shows the last known state, and says so', async () => {
    await here().host.stopLibvirtd();
    try {
      const { exitCode, stdout, stderr } = await here().caplv.run(['get', 'machine', 'drifting']);
      expect(stderr).toContain('warning: shown as last known: libvirt at ');
      expect({ exitCode, shown: stdout.split('\n')[1] }).toMatchObject({
        exitCode: 0,
        shown: expect.stringMatching(/^drifting +(Provisioned|Running) /),
      });
    } finally {
      await here().host.startLibvirtd();
    }
    await here().caplv.read(['delete', 'machine', 'drifting', '--now']);
  });
});

test('a machine that is to be off is off after a change, although the provider starts it for that', async () => {
  const off = (spec: object = {}) => machine('off', { ...here().image, ...spec });
  expect(await here().apply([off()])).toMatchObject({ exitCode: 0 });
  expect(await here().virsh('domstate', 'default.off')).toBe('shut off');
  expect(await here().apply([off({ autostart: true })])).toMatchObject({ exitCode: 0 });
  expect(await here().virsh('dominfo', 'default.off')).toMatch(/State: +shut off[\s\S]*Autostart: +enable/);
  expect(await here().plan([off({ autostart: true })])).toMatchObject({ exitCode: 0 });
  expect(await here().apply([off({ autostart: true })])).toMatchObject({ exitCode: 0 });
  await here().caplv.read(['delete', 'machine', 'off']);
});

describe('a data disk with data on it', () => {
  const DISK = { name: 'data', sizeGB: 1 };
  const storing = (disks: readonly object[] = [DISK], spec: object = {}) => {
    const { spec: made, ...rest } = machine('storing', { ...here().image, disks, ...spec });
    return { ...rest, spec: { ...(made as object), repair: 'Always' } };
  };
  const volumeOf = async (disk: string) =>
    (await here().volumes()).find((name) => name.startsWith('default.storing.') && name.includes(disk)) ?? '';
  const data = async () => {
    const volume = await volumeOf('disk-data');
    const copy = await here().file('copy', '');
    await here().virsh('vol-download', volume, copy, '--pool', 'default', '--offset', '0', '--length', '7');
    return readFile(copy, 'utf8');
  };

  test('that was enlarged with virsh is not replaced because of its size', async () => {
    // Raw, so that what is written into the volume is what the disk begins with.
    const raw = [{ ...DISK, format: 'raw' }];
    expect(await here().apply([storing(raw)])).toMatchObject({ exitCode: 0 });
    const volume = await volumeOf('disk-data');
    await here().virsh('vol-upload', volume, await here().file('data', 'my data'), '--pool', 'default');
    await here().virsh('vol-resize', volume, '2G', '--pool', 'default');
    expect(await here().plan([storing(raw)])).toMatchObject({ exitCode: 0 });
    expect(await here().apply([storing(raw, { autostart: true })], ['--allow-replace'])).toMatchObject({
      exitCode: 0,
    });
    expect(await data()).toBe('my data');
    expect(await here().virsh('vol-info', volume, '--pool', 'default')).toMatch(/Capacity: +2\.00 GiB/);
  });

  test('that is to be larger grows in place, and Terraform then sees no changes', async () => {
    const larger = [storing([{ ...DISK, format: 'raw', sizeGB: 3 }], { autostart: true })];
    expect(await here().plan(larger)).toMatchObject({
      exitCode: 2,
      stdout: `machine/storing: update
  ~ libvirt_volume.disk_data
      size: 2147483648 -> 3221225472`,
    });
    const { exitCode, stderr } = await here().apply(larger);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('grew disk data in place to 3 GB'),
    });
    expect(await data()).toBe('my data');
    expect(await here().virsh('vol-info', await volumeOf('disk-data'), '--pool', 'default')).toMatch(
      /Capacity: +3\.00 GiB/,
    );
    expect(await here().plan(larger)).toMatchObject({ exitCode: 0 });
    // As a run leaves it that is killed when the disk has grown: the next one has nothing left to grow.
    await here().virsh('vol-resize', await volumeOf('disk-data'), '4G', '--pool', 'default');
    const next = [storing([{ ...DISK, format: 'raw', sizeGB: 4 }], { autostart: true })];
    expect(await here().apply(next)).toMatchObject({
      exitCode: 0,
      stderr: expect.not.stringContaining('grew'),
    });
    expect(await here().plan(next)).toMatchObject({ exitCode: 0 });
    expect(await data()).toBe('my data');
  });

  test('that is to be smaller is refused with its field, and nothing is changed', async () => {
    const smaller = [storing([{ ...DISK, format: 'raw', sizeGB: 2 }], { autostart: true })];
    for (const refused of [await here().plan(smaller), await here().apply(smaller)]) {
      expect(refused).toMatchObject({
        exitCode: 3,
        stderr: expect.stringMatching(/spec\.providerSpec\.disks\[0\]\.sizeGB.*the disk data has 4 GB/),
      });
    }
    expect(await data()).toBe('my data');
    expect(
      await here().apply([storing([{ ...DISK, format: 'raw', sizeGB: 4 }], { autostart: true })]),
    ).toMatchObject({
      exitCode: 0,
    });
  });

  test('that the manifest no longer has is deleted only when its name is given', async () => {
    expect(await here().apply([storing([])], ['--allow-replace'])).toMatchObject({ exitCode: 4 });
    expect(await volumeOf('disk-data')).not.toBe('');
    expect(await here().apply([storing([])], ['--allow-replace-disk', 'storing/data'])).toMatchObject({
      exitCode: 0,
    });
    expect(await volumeOf('disk-data')).toBe('');
  });

  test('on a machine with changed user data: the root disk is replaced only when its name is given', async () => {
    const seeded = [storing([], { userData: '#cloud-config\nhostname: other\n' })];
    const { exitCode, stderr } = await here().apply(seeded, ['--allow-replace']);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('what is on the disk root is lost'),
    });
    expect(await here().apply(seeded, ['--allow-replace-disk', 'storing/root'])).toMatchObject({
      exitCode: 0,
    });
    await here().caplv.read(['delete', 'machine', 'storing']);
  });

  test('that is unknown, or named without its machine, is refused before anything runs', async () => {
    for (const name of ['data', 'nobody/data']) {
      const { exitCode, stderr } = await here().apply([storing()], ['--allow-replace-disk', name]);
      expect({ exitCode, stderr }).toMatchObject({
        exitCode: 3,
        stderr: expect.stringContaining('--allow-replace-disk'),
      });
    }
    expect(await here().volumes()).toEqual([]);
  });
});

test('a machine whose pool is not active is not reported as deleted while its disks are still in the pool', async () => {
  expect(await here().apply([drifting()])).toMatchObject({ exitCode: 0 });
  const volumes = await here().volumes();
  await here().virsh('pool-destroy', 'default');
  const { exitCode, stdout, stderr } = await here().caplv.run(['delete', 'machine', 'drifting', '--now']);
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /pool "default" of .* is not active: .* \[PoolNotFound\]\n {2}fix: start it: virsh .* pool-start default/,
    ),
  });
  expect(await here().virsh('domstate', DOMAIN)).toBe('running');
  await here().virsh('pool-start', 'default');
  expect(await here().volumes()).toEqual(volumes);
  await here().caplv.read(['delete', 'machine', 'drifting', '--now']);
  expect(await here().volumes()).toEqual([]);
});
