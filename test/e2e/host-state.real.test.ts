/** Verifies that the lost or damaged state of a host comes back. */

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { cluster, type ManifestObject, machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('host-state');

const poolPath = () => join(here().host.directory, 'fujisan');
const fujisan = () =>
  cluster('fujisan', {
    network: { name: 'fujisan', mode: 'nat', addresses: ['10.17.3.0/24'], bridge: 'fujisan0' },
    pool: { name: 'fujisan', path: poolPath() },
  });
const make = (name: string) => machine(name, here().image);

async function apply(...objects: readonly ManifestObject[]): Promise<string> {
  const { exitCode, stderr } = await here().apply(objects);
  expect(exitCode, stderr).toBe(0);
  return stderr;
}

/** Where the state of the networks and pools of the host lies. */
async function directory(): Promise<string> {
  const hosts = join(here().stateDir, 'hosts');
  const [name] = await readdir(hosts);
  return join(hosts, name ?? '');
}

/** Where the state of its one image lies. */
async function imageDirectory(): Promise<string> {
  const files = await here().stateFiles();
  const found = files.find((file) => /^images\/.*\/terraform\.tfstate$/.test(file));
  return join(here().stateDir, dirname(found ?? ''));
}

const state = async () => join(await directory(), 'terraform.tfstate');
const read = async () => JSON.parse(await readFile(await state(), 'utf8'));

/** The images of a pool, each as it was written: another upload gives another time. */
async function images(path = here().host.poolPath): Promise<string[]> {
  const names = (await readdir(path)).filter((name) => name.startsWith('caplv-image-'));
  return Promise.all(
    names.map(async (name) => {
      const { ino, mtimeMs } = await stat(join(path, name));
      return `${name} ${ino} ${mtimeMs}`;
    }),
  );
}

const uuids = async () => [
  await here().virsh('net-uuid', 'fujisan'),
  await here().virsh('pool-uuid', 'fujisan'),
];
const ids = async () => [...(await uuids()), ...(await images(poolPath()))];

async function deleted(...objects: readonly ManifestObject[]): Promise<void> {
  const { exitCode, stderr } = await here().caplv.run(['delete', '-f', '-'], { input: manifest(...objects) });
  expect(exitCode, stderr).toBe(0);
}

afterEach(async () => {
  expect(await here().domains()).toEqual([]);
  expect(await here().volumes()).toEqual([]);
  expect(await here().virsh('net-list', '--all', '--name')).not.toContain('fujisan');
  expect(await here().virsh('pool-list', '--all', '--name')).not.toContain('fujisan');
  expect(existsSync(poolPath())).toBe(false);
  expect(await here().stateFiles()).toEqual([]);
});

test('a Cluster whose file is broken keeps its network, pool and image when others are applied', async () => {
  await apply(fujisan(), make('first'));
  const before = await ids();
  const file = join(here().stateDir, 'objects', 'clusters', 'default', 'fujisan.json');
  await truncate(file, 0);
  const network = { name: 'other', mode: 'nat', addresses: ['10.17.5.0/24'], bridge: 'other0' };
  const other = cluster('other', { network });

  // A run for the other would remove what no Cluster that can be read names.
  const refused = await here().apply([other]);
  expect(refused.exitCode).not.toBe(0);
  expect(refused.stderr).toContain(`its file ${file} is empty [ObjectUnreadable]`);
  expect(await ids()).toEqual(before);

  expect(await apply(fujisan())).toContain('that file is kept beside the new one');
  expect(await ids()).toEqual(before);
  await apply(other);
  expect(await here().virsh('net-list', '--name')).toContain('other');
  expect(await ids()).toEqual(before);
  await deleted(fujisan(), other, make('first'));
  for (const kept of await here().stateFiles())
    if (kept.includes('.unreadable-')) await rm(join(here().stateDir, kept));
});

describe('the state of a host with a network and a pool of a Cluster', () => {
  const losses: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['deleted', async () => rm(await state())],
    ['emptied', async () => truncate(await state(), 0)],
    [
      'replaced by one that knows nothing, as a caplv that could not bring it back left it',
      async () => {
        const nothing = { ...(await read()), serial: 1, lineage: crypto.randomUUID(), resources: [] };
        await writeFile(await state(), JSON.stringify(nothing));
      },
    ],
  ];
  test.each(losses)('%s, is restored from the last kept serial', async (_, lose) => {
    await apply(fujisan(), make('first'));
    const before = await ids();
    await lose();
    expect(await apply(make('second'))).toMatch(/back from serial \d+\n/);
    expect(await ids()).toEqual(before);
    await deleted(fujisan(), make('first'), make('second'));
  });

  test('from which a person removed the network, contains it again', async () => {
    await apply(fujisan(), make('first'));
    const before = await ids();
    const whole = await read();
    const resources = whole.resources.filter(({ type }: { type: string }) => type === 'libvirt_pool');
    await writeFile(await state(), JSON.stringify({ ...whole, serial: whole.serial + 1, resources }));
    expect(await apply(make('second'))).toMatch(/back from serial \d+ fujisan\n/);
    expect(await ids()).toEqual(before);
    await deleted(fujisan(), make('first'), make('second'));
  });

  test('lost with its history, is not guessed: the fix in the error restores it', async () => {
    await apply(fujisan(), make('first'));
    const before = await ids();
    await rm(await directory(), { recursive: true });
    const { exitCode, stderr } = await here().apply([make('second')]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/has a network "fujisan" that .* no Terraform state tracks.* \[NotOwned\]/);
    expect(stderr).toMatch(/fix: .*only the name of the network .*net-undefine fujisan/);

    const used = cluster('fujisan', { network: { name: 'fujisan' }, pool: { name: 'fujisan' } });
    await apply(used);
    await apply(make('second'));
    expect(await ids()).toEqual(before);
    await deleted(used, make('first'), make('second'));
    await here().virsh('net-destroy', 'fujisan');
    await here().virsh('net-undefine', 'fujisan');
    await here().virsh('pool-destroy', 'fujisan');
    await here().virsh('pool-delete', 'fujisan');
    await here().virsh('pool-undefine', 'fujisan');
  });

  test('that cannot be read is not changed until a person restores it by the URI of the host', async () => {
    await apply(fujisan(), make('first'));
    const before = await uuids();
    const { serial, resources } = await read();
    await writeFile(await state(), 'nonsense');
    const refused = await here().caplv.run(['delete', '-f', '-'], {
      input: manifest(fujisan(), make('first')),
    });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/hosts\/\w+\/terraform.tfstate cannot be read: it is not JSON/);
    expect(refused.stderr).toContain('of a host: its libvirt URI');
    expect(await readFile(await state(), 'utf8')).toBe('nonsense');

    const { uri } = here().host;
    const kept = JSON.parse(await here().caplv.read(['state', 'history', uri, '-o', 'json']));
    expect(kept[0]).toMatchObject({ serial, resources: resources.length });
    const said = await here().caplv.read(['state', 'restore', uri, String(serial)]);
    expect(said).toContain(`host ${uri}: serial ${serial} restored, as serial ${serial + 1}`);
    expect(await here().caplv.read(['state', 'list', uri])).toContain('libvirt_network.network_fujisan\n');
    // The machine was deleted with its image, which no other machine used; network and pool were not.
    expect(await ids()).toEqual(before);
    await deleted(fujisan());
  });

  test('of an unknown host is reported as missing', async () => {
    const { exitCode, stderr } = await here().caplv.run(['state', 'list', 'qemu+tcp://me@elsewhere/system']);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/qemu\+tcp:\/\/me@elsewhere.*\[NotFound\]/),
    ]);
  });

  test('lost, does not prevent a deletion of everything', async () => {
    await apply(fujisan(), make('first'));
    await rm(await state());
    await deleted(fujisan(), make('first'));
  });
});

describe('the state of a host with nothing but an image', () => {
  test('lost with its history, is restored by import, without another upload', async () => {
    await apply(make('first'));
    const before = await images();
    await rm(await imageDirectory(), { recursive: true });
    expect(await apply(make('second'))).toMatch(/back from import caplv-image-\S+\n/);
    expect(await images()).toEqual(before);
    expect(await apply(make('third'))).not.toContain('back from');
    await deleted(make('first'), make('second'), make('third'));
  });

  test('lost with its history, and the note of what was applied still there, is missed before the next machine', async () => {
    await apply(make('first'));
    const before = await images();
    await rm(join(await imageDirectory(), 'history'), { recursive: true });
    await rm(join(await imageDirectory(), 'terraform.tfstate'));
    expect(await apply(make('second'))).toMatch(/back from import caplv-image-\S+\n/);
    expect(await images()).toEqual(before);
    await deleted(make('first'), make('second'));
  });

  test('in the format of an earlier version, together with networks and pools, is split without another upload', async () => {
    await apply(make('first'));
    const before = await images();
    const old = join(here().stateDir, 'hosts', basename(dirname(await imageDirectory())));
    await mkdir(dirname(old), { recursive: true });
    await rename(await imageDirectory(), old);
    await writeFile(join(old, 'applied'), 'the hash of all of it');
    expect(await apply(make('second'))).not.toContain('back from');
    expect(await images()).toEqual(before);
    expect(await here().caplv.read(['state', 'list', here().host.uri])).toMatch(
      /^libvirt_volume\.image_\S+$/,
    );
    await deleted(make('first'), make('second'));
  });

  test('does not contain an image that a killed upload left incomplete: it is uploaded again', async () => {
    await apply(make('first'));
    const [image = ''] = (await images()).map((one) => one.split(' ')[0] ?? '');
    await deleted(make('first'));
    const { size } = await stat(here().lab.imagePath);
    await here().virsh('vol-create-as', 'default', image, String(size), '--format', 'qcow2');
    expect(await apply(make('first'))).not.toContain('back from');
    expect(
      (await readFile(join(here().host.poolPath, image))).equals(await readFile(here().lab.imagePath)),
    ).toBe(true);
    await deleted(make('first'));
  });
});
