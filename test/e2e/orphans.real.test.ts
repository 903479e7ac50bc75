/** Verifies that `caplv orphans` adopts and removes the objects of this installation only. */

import { readdir, rm, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ManifestObject, machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('orphans');

async function made(name: string, spec: object = {}): Promise<ManifestObject> {
  const object = machine(name, { ...here().image, userData: '#cloud-config\n', ...spec });
  expect(await here().apply([object])).toMatchObject({ exitCode: 0 });
  return object;
}

async function orphans(...args: readonly string[]): Promise<readonly Record<string, string>[]> {
  return JSON.parse((await here().caplv.run(['orphans', '-o', 'json', ...args])).stdout);
}

const stateDirOf = (name: string) => join(here().stateDir, 'machines', 'default', name);
const objectOf = (name: string) => join(here().stateDir, 'objects', 'machines', 'default', `${name}.json`);

describe('caplv orphans', () => {
  test('says that there are no orphans, and does not list foreign objects', async () => {
    await here().virsh('vol-create-as', 'default', 'somebodys.qcow2', '1M');
    onTestFinished(
      async () => void (await here().virsh('vol-delete', 'somebodys.qcow2', '--pool', 'default')),
    );
    expect(await here().caplv.run(['orphans'])).toMatchObject({
      exitCode: 0,
      stderr: 'The hosts have nothing that no Terraform state tracks.',
    });
  });

  test('adopts the domain and the disks of an existing machine into its state', async () => {
    const object = await made('lives', { rootDisk: { sizeGB: 1 }, disks: [{ name: 'data', sizeGB: 1 }] });
    const uuid = await here().virsh('domuuid', 'default.lives');
    const volumes = await here().volumes();
    await rm(stateDirOf('lives'), { recursive: true });
    const found = await orphans();
    expect(found.map(({ kind, action }) => `${kind} ${action}`)).toEqual([
      'domain adopt',
      'volume adopt',
      'volume adopt',
      'volume adopt',
    ]);
    expect(await here().virsh('domuuid', 'default.lives')).toBe(uuid);

    expect(await here().caplv.run(['orphans', '--fix'])).toMatchObject({ exitCode: 0 });
    expect(await here().plan([object])).toMatchObject({ stdout: 'machine/lives: no changes' });
    expect(await here().virsh('domuuid', 'default.lives')).toBe(uuid);
    expect(await here().volumes()).toEqual(volumes);
    await here().caplv.read(['delete', 'machine', 'lives', '--now']);
  });

  test('keeps the domain of a Machine whose file is broken, names the file, and accepts the manifest again', async () => {
    const object = await made('broken');
    const other = await made('beside');
    const uuid = await here().virsh('domuuid', 'default.broken');
    const volumes = await here().volumes();
    // Also in no state: only a file that cannot be read says who owns the domain.
    await rm(stateDirOf('broken'), { recursive: true });
    await truncate(objectOf('broken'), 0);

    expect(await here().caplv.run(['orphans', '--fix'])).toMatchObject({ exitCode: 0 });
    expect(await here().virsh('domuuid', 'default.broken')).toBe(uuid);
    expect(await here().volumes()).toEqual(volumes);

    const listed = await here().caplv.run(['get', 'machines', '-o', 'name']);
    expect(listed).toMatchObject({ exitCode: 1, stdout: 'machine/beside' });
    expect(listed.stderr).toContain(`its file ${objectOf('broken')} is empty [ObjectUnreadable]`);
    expect(await here().caplv.run(['get', 'machine', 'beside', '-o', 'name'])).toMatchObject({ exitCode: 0 });
    expect(await here().apply([other])).toMatchObject({ exitCode: 0, stdout: 'machine/beside unchanged' });
    expect(await here().caplv.run(['delete', 'machine', 'beside', '--now'])).toMatchObject({ exitCode: 0 });
    const deleted = await here().caplv.run(['delete', 'machine', 'broken', '--now']);
    expect(deleted.exitCode).toBe(1);
    expect(deleted.stderr).toContain('fix: apply its manifest again');

    expect(await here().apply([object])).toMatchObject({ exitCode: 0 });
    expect(await here().virsh('domuuid', 'default.broken')).toBe(uuid);
    const kept = (await readdir(dirname(objectOf('broken')))).filter((file) => file.includes('unreadable'));
    expect(kept).toHaveLength(1);
    await here().caplv.read(['delete', 'machine', 'broken', '--now']);
    expect(await here().domains()).toEqual([]);
  });

  test('removes what is left of a deleted Machine: domain, disks, seed, image, reservation', async () => {
    await made('gone', { interfaces: [{ network: 'default', addresses: ['192.168.122.66'] }] });
    await rm(stateDirOf('gone'), { recursive: true });
    await rm(objectOf('gone'));
    const told = await here().caplv.run(['orphans']);
    expect(told.exitCode).toBe(2);
    expect(told.stdout).toMatch(/^domain +default\.gone +default\/gone +remove +its Machine is gone$/m);
    expect(await here().domains()).toEqual(['default.gone']);

    await here().caplv.run(['orphans', '--fix']);
    expect(await here().domains()).toEqual([]);
    expect((await here().volumes()).filter((name) => name.startsWith('default.gone'))).toEqual([]);
    expect(await here().virsh('net-dumpxml', 'default')).not.toContain('192.168.122.66');
    // The host's own state still holds the image; the next machine, or its deletion, lets it go.
    await made('next');
    await here().caplv.read(['delete', 'machine', 'next', '--now']);
    expect(await here().volumes()).toEqual([]);
  });

  test('touches no object of another installation, no copy, and no foreign domain, whatever its name', async () => {
    const other = { CAPLV_STATE_DIR: join(here().directory, 'other-state') };
    expect(await here().apply([machine('theirs', here().image)], [], other)).toMatchObject({ exitCode: 0 });
    await made('ours');
    const xml = await here().virsh('dumpxml', 'default.ours');
    const copy = xml
      .replace(/<name>.*<\/name>/, '<name>copy</name>')
      .replace(/<uuid>.*<\/uuid>/, '')
      .replace(/<mac address=.*\/>/, '');
    await here().virsh('define', await here().file('copy.xml', copy));
    const before = [await here().domains(), await here().volumes()];

    expect(await orphans('--fix')).toEqual([]);
    expect([await here().domains(), await here().volumes()]).toEqual(before);
    await here().virsh('undefine', 'copy');
    await here().caplv.read(['delete', 'machine', 'ours', '--now']);
    await here().caplv.read(['delete', 'machine', 'theirs', '--now'], { env: other });
  });

  test('removes nothing when the store is empty by mistake', async () => {
    await made('safe');
    const env = { CAPLV_STATE_DIR: join(here().directory, 'empty-state') };
    await here().caplv.run(['orphans', '--fix'], { env });
    expect(await here().domains()).toEqual(['default.safe']);
    await here().caplv.read(['delete', 'machine', 'safe', '--now']);
  });
});
