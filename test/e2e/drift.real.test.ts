import { describe, expect, test } from 'vitest';
import { machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('drift');

const DOMAIN = 'default.drifting';
const drifting = () => machine('drifting', { ...here().image, running: true, shutdownTimeoutSeconds: 0 });

const get = async () => (await here().caplv.read(['get', 'machine', 'drifting'])).split('\n')[1];
const condition = async (type: string) =>
  (await here().machine('drifting')).status.conditions.find((one: { type: string }) => one.type === type);

describe('a machine that somebody changed with virsh', () => {
  test('made as it should be', async () => {
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

  test('undefined: get shows it, apply makes it anew on its old disk', async () => {
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

  test('other memory: get shows it, apply says why it does not repair it by itself', async () => {
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
        'would replace libvirt_domain.machine (forced by memory) [ReplaceRefused]',
      ),
    });
    expect(await get()).toMatch(/^drifting +\w+ +False +ReplaceRefused/);
    expect(await here().virsh('dominfo', DOMAIN)).toMatch(/Max memory: +163840 KiB/);

    expect(await here().apply([drifting()], ['--allow-replace'])).toMatchObject({ exitCode: 0 });
    expect(await here().virsh('dominfo', DOMAIN)).toMatch(/Max memory: +131072 KiB/);
    expect(await condition('DomainReady')).toMatchObject({ status: 'True' });
  });

  test('taken back: a drift that its owner undoes is no news any more', async () => {
    await here().virsh('autostart', DOMAIN);
    expect(await get()).toMatch(/NotAsSpecified/);
    await here().virsh('autostart', DOMAIN, '--disable');
    expect(await get()).not.toMatch(/NotAsSpecified/);
    expect(await here().plan([drifting()])).toMatchObject({ exitCode: 0 });
  });

  test('libvirt gone: get shows what was last known, and says so', async () => {
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

test('a machine that is to be off is off after a change, which the provider cannot make without starting it', async () => {
  const off = (spec: object = {}) => machine('off', { ...here().image, ...spec });
  expect(await here().apply([off()])).toMatchObject({ exitCode: 0 });
  expect(await here().virsh('domstate', 'default.off')).toBe('shut off');
  expect(await here().apply([off({ autostart: true })])).toMatchObject({ exitCode: 0 });
  expect(await here().virsh('dominfo', 'default.off')).toMatch(/State: +shut off[\s\S]*Autostart: +enable/);
  expect(await here().plan([off({ autostart: true })])).toMatchObject({ exitCode: 0 });
  expect(await here().apply([off({ autostart: true })])).toMatchObject({ exitCode: 0 });
  await here().caplv.read(['delete', 'machine', 'off']);
});
