/** Verifies the strings of test/e2e/hostile-strings.ts in manifests of a tenant, through API server and controller. */

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type HostileHost,
  hostileMachine,
  makeVolume,
  networkConfigOf,
  seedFile,
  shownDomain,
  userDataOf,
} from '../e2e/hostile-machine.ts';
import { asName, Canaries, LOOSE_TEXTS, PLAIN_TEXTS, shellTexts } from '../e2e/hostile-strings.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

const soon = { timeout: 60_000, interval: 100 };
/** A domain has 32 PCI slots. */
const DISKS = 14;

let lab: ClusterLab;
let controller: ControllerProcess;
let host: HostileHost;
let canaries: Canaries;

beforeAll(async () => {
  lab = await ClusterLab.up('test-hostile');
  const directory = join(lab.lab.directory, 'files');
  canaries = new Canaries(join(lab.lab.directory, 'canaries'));
  await mkdir(directory);
  await mkdir(canaries.directory);
  const file = async (name: string, content: string) => {
    const path = join(directory, name);
    await writeFile(path, content);
    return path;
  };
  host = { lab: lab.lab, directory, file, virsh: (...args) => lab.virsh(...args) };
  controller = await ControllerProcess.start(lab.env());
});

afterAll(async () => {
  await lab?.kubectl('delete', 'machines', '--all', '--wait=true');
  await controller?.stop();
  await lab?.down();
});

test('the strings of a tenant arrive in libvirt unchanged, without side effects', async () => {
  const names = [...shellTexts(canaries), ...PLAIN_TEXTS].map(asName);
  const texts = [...names, ...LOOSE_TEXTS];
  const [volumes, [image = '', firmware = '', nvram = '', userData = '']] = [
    names.slice(0, DISKS),
    names.slice(DISKS),
  ];
  for (const volume of volumes) await makeVolume(host, volume);
  const before = await lab.host();
  const hostile = await hostileMachine(host, 'hostile', { image, firmware, nvram, userData, volumes }, texts);

  // `apply` would keep a copy among the annotations, which are limited, or send YAML, which may hold no control character.
  const manifest = await host.file('manifest.json', JSON.stringify(hostile.manifest));
  await lab.kubectl('create', '-f', manifest);
  await expect.poll(() => lab.ready('hostile'), soon).toMatch(/^True/);

  const shown = await shownDomain(host, 'default.hostile');
  expect(shown).toMatchObject({ firmware: hostile.firmware, nvramTemplate: hostile.nvramTemplate });
  expect(shown.disks.slice(1, -1)).toEqual(volumes.map((volume) => `default/${volume}`));
  expect(await seedFile(host, basename(shown.disks.at(-1) ?? ''), 'user-data')).toBe(userDataOf(texts));
  expect(await seedFile(host, basename(shown.disks.at(-1) ?? ''), 'network-config')).toBe(
    networkConfigOf(texts),
  );

  await lab.kubectl('delete', 'machine', 'hostile', '--wait=true');
  expect(await lab.host()).toEqual(before);
  expect(await readdir(canaries.directory)).toEqual([]);
});
