/**
 * Verifies that hostile strings arrive in libvirt unchanged, without side effects. Composed strings are the same at every
 * run; CAPLV_FUZZ_SEED composes others.
 */

import { copyFile, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { Random } from '../faults/random.ts';
import {
  hostileMachine,
  makeVolume,
  networkConfigOf,
  seedFile,
  shownDomain,
  userDataOf,
  volumeContent,
} from './hostile-machine.ts';
import {
  asName,
  Canaries,
  composed,
  escapeXml,
  PLAIN_TEXTS,
  shellTexts,
  wordsOf,
} from './hostile-strings.ts';
import { useHostileWorld } from './hostile-world.ts';
import { cluster, machine } from './manifests.ts';

const world = useHostileWorld('hostile');
const SEED = Number(process.env['CAPLV_FUZZ_SEED'] ?? 1);
/** A domain has 32 PCI slots. */
const DISKS = 14;

test('the traps work: a shell that runs the strings sets them off', async () => {
  const { here } = world();
  const directory = join(here.directory, 'sprung');
  await mkdir(directory);
  const sprung = new Canaries(directory);
  const set = shellTexts(sprung);
  for (const text of set) {
    for (const command of [`echo ${text}`, `echo "${text}"`, `echo '${text}'`]) {
      await execa('sh', ['-c', command], { reject: false, stdin: 'ignore' });
    }
  }
  expect(await sprung.found()).toHaveLength(set.length);
});

describe('names of files and volumes, and free text, arrive unchanged', () => {
  const random = new Random(SEED);
  const groups = Math.ceil((10 + PLAIN_TEXTS.length) / DISKS);
  const cases = [...Array(groups).keys()].map((group) => ({ what: `group ${group}`, group }));

  test.each([...cases, { what: `composed from seed ${SEED}`, group: undefined }])(
    '$what',
    async ({ group }) => {
      const { here, names, texts } = world();
      const own = names.slice((group ?? 0) * DISKS, ((group ?? 0) + 1) * DISKS);
      const name = () => (group === undefined ? composed(random, names) : asName(random.pick(own) ?? ''));
      const volumes = group === undefined ? [...new Set(Array.from({ length: 4 }, name))] : own.map(asName);
      const made = volumes.filter((volume) => !names.map(asName).includes(volume));
      for (const volume of made) await makeVolume(here, volume);
      const hostile = await hostileMachine(
        here,
        'hostile',
        { image: name(), firmware: name(), nvram: name(), userData: name(), volumes },
        texts,
      );

      await world().apply(hostile.manifest);

      const { host } = here;
      const shown = await shownDomain(here, 'default.hostile');
      expect(shown).toMatchObject({ firmware: hostile.firmware, nvramTemplate: hostile.nvramTemplate });
      expect(shown.description).toMatch(
        /^caplv machine default\/hostile uid [\da-f-]{36} installation [\da-f-]{36}$/,
      );
      const [root = '', ...data] = shown.disks;
      const seed = data.pop() ?? '';
      expect(root).toMatch(/^default\/default\.hostile\.[\da-f]{8}-root\.qcow2$/);
      expect(data).toEqual(volumes.map((volume) => `default/${volume}`));
      expect(await seedFile(here, basename(seed), 'user-data')).toBe(userDataOf(texts));
      expect(await seedFile(here, basename(seed), 'network-config')).toBe(networkConfigOf(texts));
      const [image = ''] = (await readdir(host.poolPath)).filter((volume) =>
        volume.startsWith('caplv-image-'),
      );
      const original = await readFile(hostile.image);
      expect((await volumeContent(here, 'default', image)).equals(original)).toBe(true);
      const stored = await here.machine('hostile');
      expect(stored.metadata.annotations).toEqual(
        (hostile.manifest['metadata'] as typeof stored).annotations,
      );

      expect(await here.plan([hostile.manifest])).toMatchObject({
        exitCode: 0,
        stdout: 'machine/hostile: no changes',
      });
      await here.caplv.read(['delete', 'machine', 'hostile', '--now']);
      for (const volume of made) await here.virsh('vol-delete', '--pool=default', `--vol=${volume}`);
      await world().expectUntouched();
    },
  );
});

test.each(['', ' ', '--', '.'])('an image that is a volume, "%s" and more', async (begin) => {
  const { here, names } = world();
  const image = asName(begin + composed(new Random(SEED + 1), names));
  const path = join(here.host.poolPath, image);
  await copyFile(here.lab.imagePath, path);
  await here.virsh('pool-refresh', 'default');
  const one = machine('hostile', { imageURI: `volume:default/${image}` });
  await world().apply(one);
  const [disk = ''] = (await shownDomain(here, 'default.hostile')).disks;
  const root = await here.virsh('vol-dumpxml', '--pool=default', `--vol=${basename(disk)}`);
  expect(root).toContain(`<path>${escapeXml(path)}</path>`);
  expect(await here.plan([one])).toMatchObject({ exitCode: 0 });
  await here.caplv.read(['delete', 'machine', 'hostile', '--now']);
  await here.virsh('vol-delete', '--pool=default', `--vol=${image}`);
  await world().expectUntouched();
});

test('free text in the template of a MachineSet arrives unchanged', async () => {
  const { here, names, texts } = world();
  const [image = '', firmware = '', nvram = '', userData = ''] = names.toReversed().map(asName);
  const volumes = names.slice(0, 2).map(asName);
  const files = { image, firmware, nvram, userData, volumes };
  const { manifest, ...hostile } = await hostileMachine(here, 'hostile', files, texts);
  const { metadata, spec } = manifest as { metadata: { annotations: object }; spec: object };
  const { annotations } = metadata;
  const template = { metadata: { labels: { set: 'hostile' }, annotations }, spec };
  const set = { ...manifest, kind: 'MachineSet', metadata: { name: 'hostile' } };
  const selector = { matchLabels: { set: 'hostile' } };

  const env = { ...here.lab.env(), CAPLV_STATE_DIR: here.stateDir };
  const controller = await ControllerProcess.start(env, ['--local']);
  try {
    await world().apply({ ...set, spec: { selector, template } });
    const made = async () => JSON.parse(await here.caplv.read(['get', 'machines', '-o', 'json'])).items;
    await expect.poll(async () => (await made())[0]?.status?.phase, { timeout: 30_000 }).toBe('Provisioned');
    const [machine] = await made();
    expect(machine.metadata.annotations).toMatchObject(annotations);
    const shown = await shownDomain(here, `default.${machine.metadata.name}`);
    expect(shown).toMatchObject({ firmware: hostile.firmware, nvramTemplate: hostile.nvramTemplate });
    const [, ...disks] = shown.disks;
    expect(disks.slice(0, -1)).toEqual(volumes.map((volume) => `default/${volume}`));
    expect(await seedFile(here, basename(disks.at(-1) ?? ''), 'user-data')).toBe(userDataOf(texts));
    await here.caplv.read(['delete', 'machineset', 'hostile']);
  } finally {
    await controller.stop();
  }
  await world().expectUntouched();
});

test('the path of a pool, and an Ignition configuration in it, arrive unchanged', async () => {
  const { here, names, texts } = world();
  const path = join(here.directory, asName(`pool ${names[0]}'"<&>%{ if a }\${b}\u202e é`));
  const pool = cluster('hostile', { pool: { name: 'hostile', path } });
  const ignition = JSON.stringify({ ignition: { version: '3.4.0' }, texts });
  const one = machine('hostile', { ...here.image, ignition });
  await world().apply(pool, one);
  expect(await here.virsh('pool-dumpxml', 'hostile')).toContain(`<path>${escapeXml(path)}</path>`);
  expect((await shownDomain(here, 'default.hostile')).disks).toEqual([expect.stringMatching(/^hostile\//)]);
  const [volume = ''] = (await readdir(path)).filter((file) => file.endsWith('.ign'));
  const content = await volumeContent(here, 'hostile', volume);
  expect(JSON.parse(content.toString('utf8'))).toEqual(JSON.parse(ignition));
  expect(await here.plan([pool, one])).toMatchObject({ exitCode: 0 });
  await world().delete(one, pool);
});

test('a libvirt URI that a shell would run is refused, and commands in messages quote their arguments', async () => {
  const { here, canaries } = world();
  const link = join(here.directory, `it's$(touch$IFS$9canary)'s`);
  const socket = new URL(here.host.uri.replace('+unix', '')).searchParams.get('socket') ?? '';
  await symlink(dirname(socket), link);
  const uri = `qemu+unix:///system?socket=${join(link, basename(socket))}`;
  const one = machine('hostile', { ...here.image, uri });
  expect(await here.apply([one])).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('spec.providerSpec.uri'),
  });

  const other = machine('other', { imageURI: 'volume:$(touch${IFS}canary)/a' });
  const { stderr } = await here.apply([other]);
  const shown = /fix: see what there is: (.*)/.exec(stderr)?.[1] ?? '';
  expect(await wordsOf(shown, canaries.directory)).toEqual([
    'virsh',
    '-c',
    here.host.uri,
    'vol-list',
    '$(touch${IFS}canary)',
  ]);
  await world().delete(one, other);
});
