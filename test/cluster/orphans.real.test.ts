/** Verifies that the controller removes what deleted Machines left on hosts, and nothing else. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

const soon = { timeout: 120_000, interval: 200 };

let lab: ClusterLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('test-orphans');
  controller = await ControllerProcess.start(lab.env(), ['--sweep-interval', '5s']);
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

async function made(...names: readonly string[]): Promise<void> {
  await lab.apply(...names.map((name) => lab.machine(name)));
  for (const name of names) await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
}

/** Deletes the object without its domain, as when a person removes the finalizer, or etcd is restored from a backup. */
async function lose(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await lab.kubectl('annotate', 'machine', name, 'cluster-api.k8s.io/paused=');
    await lab.kubectl('delete', 'machine', name, '--wait=false');
    await lab.kubectl('patch', 'machine', name, '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
    await expect.poll(() => lab.get(name), soon).toBeUndefined();
  }
}

const domains = async () => (await lab.host()).domains.sort();

it('a deleted state is restored although its machine has no change', async () => {
  await made('quiet');
  const uuid = await lab.virsh('domuuid', 'default.quiet');
  await lab.kubectl('delete', 'secrets', '--all');
  await expect
    .poll(() => lab.kubectl('get', 'secret', 'tfstate-quiet-caplv', '-o', 'name'), soon)
    .not.toBe('');
  await expect
    .poll(() => lab.kubectl('describe', 'machine', 'quiet'), soon)
    .toMatch(/StateRecovered.* import default\.quiet/);
  await expect.poll(() => lab.ready('quiet'), soon).toMatch(/^True/);
  expect(await lab.virsh('domuuid', 'default.quiet')).toBe(uuid);
  const metrics = await controller.fetch('/metrics');
  expect(metrics).toMatch(/^caplv_orphans_fixed_total\{host=".*",action="adopt"\} [1-9]/m);
  await lab.kubectl('delete', 'machine', 'quiet');
});

it('leftovers of a deleted Machine are removed, and existing or foreign machines are not touched', async () => {
  await made('stays', 'goes');
  // Of another cluster: the same names and marks, but for the installation.
  const xml = (await lab.virsh('dumpxml', 'default.stays'))
    .replace(/<name>.*<\/name>/, '<name>default.theirs</name>')
    .replace(/<uuid>.*<\/uuid>|<mac address=.*\/>|<disk[\s\S]*<\/disk>/g, '')
    .replace(
      /<description>.*<\/description>/,
      '<description>caplv machine default/theirs uid 11111111-1111-4111-8111-111111111111 installation 22222222-2222-4222-8222-222222222222</description>',
    );
  await lab.define(xml);
  await lose('goes');
  await expect.poll(domains, soon).toEqual(['default.stays', 'default.theirs']);
  expect(await controller.says('Removed an orphan')).toMatchObject({ name: 'default.goes' });
  const { volumes } = await lab.host();
  expect(volumes.filter((name) => name.startsWith('default.goes'))).toEqual([]);
  expect(await lab.virsh('domuuid', 'default.stays')).not.toBe('');
  await lab.virsh('undefine', 'default.theirs');
});

it('many orphans at once are kept until a person approves their removal', async () => {
  await made('m1', 'm2', 'm3');
  const before = await domains();
  await lose('m1', 'm2', 'm3');
  expect(await controller.says('Orphans kept: too many at once')).toMatchObject({
    machines: expect.arrayContaining([expect.stringMatching(/^default\/m1\//)]),
    fix: expect.stringContaining('caplv orphans --fix'),
  });
  expect(await domains()).toEqual(before);
  const fixed = await lab.caplv('orphans', '--fix');
  expect(fixed.stderr).toContain('domain/default.m1 removed: its Machine is gone');
  expect(await domains()).toEqual(['default.stays']);
});
