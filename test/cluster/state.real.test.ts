/** Verifies that lost or damaged states come back, from their history or by import. */

import { glob, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Secret, SecretKind } from '../../src/api/kinds/secret.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

const soon = { timeout: 120_000, interval: 100 };

let lab: ClusterLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('test-state');
  controller = await ControllerProcess.start(lab.env());
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

afterEach(async () => {
  await lab.kubectl('delete', 'machines', '--all', '--wait=true');
  await expect.poll(() => lab.host(), soon).toEqual({ domains: [], volumes: [] });
  // No kept serial, no part, nothing that was set aside.
  expect(await lab.kubectl('get', 'secrets', '-o', 'name')).toBe('');
});

const keyOf = (name: string) => ({ namespace: 'default', name });
const stateKey = (name: string) => keyOf(`tfstate-${name}-caplv`);
const stateOf = (name: string) => lab.client.get(SecretKind, stateKey(name));

async function keptOf(name: string): Promise<Secret[]> {
  const labelSelector = `caplv.cluster-api.k8s.io/state-history,cluster-api.k8s.io/machine-name=${name}`;
  return (await lab.client.list(SecretKind, { namespace: 'default', labelSelector })).items;
}

function unzipped(secrets: readonly (Secret | undefined)[], key: string): string {
  const parts = secrets.map((secret) => Buffer.from(secret?.data?.[key] ?? '', 'base64'));
  return gunzipSync(Buffer.concat(parts)).toString();
}

async function made(name: string, spec: object = {}): Promise<void> {
  await lab.apply(lab.machine(name, spec));
  await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
}

const uuidOf = (name: string) => lab.virsh('domuuid', `default.${name}`);

/** The machine takes a change in place, on the domain that was there. */
async function expectSame(name: string, uuid: string): Promise<void> {
  await lab.apply(lab.machine(name, { autostart: true }));
  await expect
    .poll(() => lab.virsh('list', '--all', '--autostart', '--name'), soon)
    .toMatch(`default.${name}`);
  await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
  expect(await uuidOf(name)).toBe(uuid);
}

describe('the serials of a state', () => {
  it('are kept in Secrets of the Machine that Terraform does not take for states, five at most', async () => {
    await made('kept');
    for (let turn = 0; turn < 6; turn += 1) {
      const seen = (await lab.get('kept'))?.metadata.generation ?? 0;
      await lab.apply(lab.machine('kept', { autostart: turn % 2 === 0 }));
      const done = async () => {
        const { status } = (await lab.get('kept')) ?? {};
        return (status?.observedGeneration ?? 0) > seen && (await lab.ready('kept'))?.startsWith('True');
      };
      await expect.poll(done, soon).toBe(true);
    }
    const kept = await keptOf('kept');
    expect(kept).toHaveLength(5);
    const { metadata } = (await lab.get('kept')) ?? {};
    for (const secret of kept) {
      expect(secret.metadata.labels).not.toHaveProperty('tfstate');
      expect(secret.metadata.ownerReferences).toMatchObject([{ kind: 'Machine', uid: metadata?.uid }]);
    }
    const texts = kept.map((secret) => unzipped([secret], 'state'));
    expect(texts).toContain(unzipped([await stateOf('kept')], 'tfstate'));
    const listed = await lab.caplv('state', 'history', 'kept', '-o', 'json');
    expect(JSON.parse(listed.stdout)).toHaveLength(5);
  });

  it('cost one more Secret at a create, and no other write', async () => {
    const created = async () => {
      const lines = (await lab.kubectl('get', '--raw', '/metrics')).split('\n');
      const posts = lines.filter((line) =>
        /^apiserver_request_total\{.*resource="secrets".*verb="POST"/.test(line),
      );
      return posts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    };
    // The first on a host also brings the state of that host, with its image.
    await made('first');
    const before = await created();
    await made('counted');
    expect((await created()) - before).toBe(2);
    expect(await keptOf('counted')).toHaveLength(1);
  });
});

describe('a state Secret that a person deleted', () => {
  it('is restored from the last kept serial', async () => {
    await made('lost');
    const uuid = await uuidOf('lost');
    const before = JSON.parse(unzipped([await stateOf('lost')], 'tfstate'));
    await lab.kubectl('delete', 'secret', stateKey('lost').name);
    await expectSame('lost', uuid);
    expect(await lab.kubectl('describe', 'machine', 'lost')).toMatch(/StateRecovered.* serial \d+/);
    const after = JSON.parse(unzipped([await stateOf('lost')], 'tfstate'));
    expect(after.lineage).toBe(before.lineage);
  });

  it('is restored by import when no kept serial is left', async () => {
    await made('gone');
    const uuid = await uuidOf('gone');
    await lab.kubectl('delete', 'secrets', '--all');
    await expectSame('gone', uuid);
    expect(await lab.kubectl('describe', 'machine', 'gone')).toMatch(/StateRecovered.* import default\.gone/);
    const owner = (await lab.get('gone'))?.metadata.uid;
    expect((await stateOf('gone'))?.metadata.ownerReferences).toMatchObject([{ uid: owner }]);
  });
});

describe('the state Secret of a host that a person deleted', () => {
  const ofHost = ['-l', 'tfstateSecretSuffix=caplv-host'];
  /** When the images were uploaded. */
  const uploads = async () => {
    const pool = lab.lab.hosts[0]?.poolPath ?? '';
    const names = (await readdir(pool)).filter((name) => name.startsWith('caplv-image-'));
    return Promise.all(names.map(async (name) => `${name} ${(await stat(join(pool, name))).mtimeMs}`));
  };

  it('is restored from the last kept serial, and the image is deleted with the last machine', async () => {
    await made('standing');
    const before = await uploads();
    await lab.kubectl('delete', 'secrets', ...ofHost);
    await made('next');
    expect(await lab.kubectl('describe', 'machine', 'next')).toMatch(
      /StateRecovered.* of qemu\S+ back from serial \d+/,
    );
    expect(await uploads()).toEqual(before);
  });

  it('is restored by import of the image when no kept serial is left', async () => {
    await made('standing');
    const before = await uploads();
    await lab.kubectl('delete', 'secrets', '--all');
    await made('next');
    expect(await lab.kubectl('describe', 'machine', 'next')).toMatch(
      /StateRecovered.* back from import caplv-image-/,
    );
    expect(await uploads()).toEqual(before);
  });

  it('does not prevent the image from being deleted with the last machine', async () => {
    await made('last');
    await lab.kubectl('delete', 'secrets', ...ofHost);
  });
});

describe('a state Secret that cannot be read', () => {
  const damages: readonly (readonly [string, (zipped: Buffer) => Buffer])[] = [
    ['truncated', (zipped) => zipped.subarray(0, zipped.length / 2)],
    ['text', () => Buffer.from('planted-secret')],
    ['zipped', () => gzipSync('planted-secret')],
  ];
  it.each(damages)(
    '(%s) is reported with its place, not changed, and repaired by a restore',
    async (name, damage) => {
      await made(name);
      const uuid = await uuidOf(name);
      const { serial } = JSON.parse(unzipped([await stateOf(name)], 'tfstate'));
      const whole = Buffer.from((await stateOf(name))?.data?.['tfstate'] ?? '', 'base64');
      const data = { tfstate: damage(whole).toString('base64') };
      await lab.client.patch(SecretKind, stateKey(name), { data });

      await lab.apply(lab.machine(name, { autostart: true }));
      await expect.poll(() => lab.ready(name), soon).toBe('False StateCorrupt');
      const condition = (await lab.get(name))?.status?.conditions?.find(({ type }) => type === 'Ready');
      expect(condition?.message).toContain(`Secret default/${stateKey(name).name}`);
      expect(condition?.message).toContain('caplv state restore');
      expect(condition?.message).not.toContain('planted');
      expect((await stateOf(name))?.data).toEqual(data);

      const restored = await lab.caplv('state', 'restore', name, String(serial));
      expect(restored).toMatchObject({ exitCode: 0 });
      expect(restored.stdout).toContain(`serial ${serial} restored`);
      const aside = await lab.client.get(SecretKind, keyOf(`${stateKey(name).name}.corrupt`));
      expect(aside?.data).toEqual(data);
      await lab.kubectl('annotate', 'machine', name, 'look=again');
      await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
      expect(await uuidOf(name)).toBe(uuid);
    },
  );
});

/** Where the controller's terraform runs for that machine. */
async function runDirOf(name: string): Promise<string> {
  const pattern = `caplv-*_${controller.child.pid}_*/*/runs/caplv/default/${name}`;
  for await (const found of glob(pattern, { cwd: tmpdir() })) return join(tmpdir(), found);
  throw new Error(`${pattern} is not there`);
}

it('an unsaved state of an earlier leader does not stop a later one that has replaced the machine', async () => {
  await made('superseded');
  const uuid = await uuidOf('superseded');
  const state = JSON.parse(unzipped([await stateOf('superseded')], 'tfstate'));
  const older = { ...state, lineage: '11111111-1111-4111-8111-111111111111', serial: 9 };
  const run = await runDirOf('superseded');
  await writeFile(join(run, 'errored.tfstate'), JSON.stringify(older), { mode: 0o600 });

  await expectSame('superseded', uuid);
  expect(JSON.parse(unzipped([await stateOf('superseded')], 'tfstate')).lineage).toBe(state.lineage);
  expect(await lab.kubectl('describe', 'machine', 'superseded')).toContain('StateSuperseded');
  const kept = (await keptOf('superseded')).map((secret) => unzipped([secret], 'state'));
  expect(kept.map((text) => JSON.parse(text).lineage)).toContain(older.lineage);
  expect(await readdir(run)).not.toContain('errored.tfstate');
});

it('a state of more than 1 MiB, compressed, is read, kept, restored and removed', async () => {
  // Digits that do not compress well, from a Machine that is small.
  const noise = 'join("", [for i in range(450): join("", [for j in range(48): sha256(join("-", [i, j]))])])';
  const terraform = { resource: { terraform_data: { large: { input: `\${${noise}}` } } } };
  await made('large', { terraform });
  const uuid = await uuidOf('large');
  const parts = [
    await stateOf('large'),
    await lab.client.get(SecretKind, keyOf('tfstate-large-caplv-part-1')),
  ];
  expect(parts[1]).toBeDefined();
  expect((await lab.caplv('state', 'list', 'large')).stdout.split('\n')).toContain('terraform_data.large');
  const kept = await keptOf('large');
  expect(kept.length).toBeGreaterThan(1);

  await lab.apply(lab.machine('large', { terraform, autostart: true }));
  await expect.poll(() => lab.virsh('list', '--all', '--autostart', '--name'), soon).toMatch('default.large');
  await expect.poll(() => lab.ready('large'), soon).toMatch(/^True/);
  const names = ['tfstate-large-caplv', 'tfstate-large-caplv-part-1', 'tfstate-large-caplv-part-2'];
  await lab.kubectl('delete', 'secret', ...names, '--ignore-not-found');
  await lab.apply(lab.machine('large', { terraform }));
  await expect
    .poll(() => lab.virsh('list', '--all', '--autostart', '--name'), soon)
    .not.toMatch('default.large');
  await expect.poll(() => lab.ready('large'), soon).toMatch(/^True/);
  expect(await uuidOf('large')).toBe(uuid);
  expect(await lab.kubectl('describe', 'machine', 'large')).toMatch(/StateRecovered.* serial \d+/);
});
