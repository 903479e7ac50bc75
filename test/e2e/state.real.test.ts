/** Verifies that the lost or damaged state of a machine comes back. */

import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ManifestObject, machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';
import { collector } from './trace-collector.ts';

const here = useStandalone('state');

/** A machine of its own for the running test, applied, and deleted after it. */
async function made(name: string, spec: object = {}): Promise<ManifestObject> {
  onTestFinished(async () => {
    await here().caplv.read(['delete', 'machine', name, '--now']);
    expect(await here().domains()).toEqual([]);
    expect(await here().volumes()).toEqual([]);
    expect(await here().stateFiles()).toEqual([]);
  });
  const object = machine(name, { ...here().image, userData: '#cloud-config\n', ...spec });
  expect(await here().apply([object])).toMatchObject({ exitCode: 0 });
  return object;
}

const stateFile = (name: string) => here().workspaceFile(name, 'terraform.tfstate');
const stateOf = async (name: string) => JSON.parse(await readFile(stateFile(name), 'utf8'));
const historyOf = async (name: string) =>
  JSON.parse(await here().caplv.read(['state', 'history', name, '-o', 'json']));

/** The next change of the machine goes through, on the very domain and disks that were there. */
async function expectSame(name: string, object: ManifestObject, change: () => Promise<void>, says: RegExp) {
  const disks = async () => here().virsh('domblklist', `default.${name}`, '--details');
  const before = [await here().virsh('domuuid', `default.${name}`), await disks()];
  await change();
  const spec = { ...providerSpec(object), autostart: true };
  const changed = { ...object, spec: { providerSpec: spec } };
  // Shows what the apply will do, and does nothing: no `create` of existing objects, and all that the apply needs stays.
  const { stdout } = await here().plan([changed]);
  expect(stdout).toMatch(/ {2}! its Terraform state is lost and will be recovered from (serial \d+|import)/);
  expect(stdout).toContain('  ~ libvirt_domain.machine');
  expect(stdout).not.toMatch(/^ {2}(\+|-|-\/\+) libvirt_/m);
  const { exitCode, stderr } = await here().apply([changed]);
  expect(stderr).toMatch(says);
  expect(exitCode).toBe(0);
  expect(await here().plan([changed])).toMatchObject({ stdout: `machine/${name}: no changes` });
  expect([await here().virsh('domuuid', `default.${name}`), await disks()]).toEqual(before);
}

function providerSpec(object: ManifestObject): object {
  return (object['spec'] as { providerSpec: object }).providerSpec;
}

/** All that a machine can have which the provider cannot read back, or reads back differently. */
const rich = {
  running: true,
  machineType: 'q35',
  cpu: { mode: 'maximum' },
  guestAgent: true,
  graphics: 'vnc',
  rootDisk: { sizeGB: 1 },
  disks: [
    { name: 'data', sizeGB: 1 },
    { name: 'raw', sizeGB: 1, format: 'raw' },
  ],
  interfaces: [{ network: 'default', addresses: ['192.168.122.55'] }],
};

describe('a state that a person deleted', () => {
  test('is restored from the last kept serial', async () => {
    const object = await made('kept', rich);
    const { serial, lineage } = await stateOf('kept');
    await expectSame('kept', object, () => rm(stateFile('kept')), new RegExp(`back from serial ${serial}\n`));
    expect((await stateOf('kept')).lineage).toBe(lineage);
    expect((await stateOf('kept')).serial).toBeGreaterThan(serial);
  });

  test('is restored by import when nothing of it is left', async () => {
    const object = await made('imported', rich);
    const removal = () => rm(dirname(stateFile('imported')), { recursive: true });
    await expectSame('imported', object, removal, /back from import default\.imported /);
  });

  test('is restored by import for Ignition too, which the provider cannot import', async () => {
    const object = await made('ignited', {
      userData: undefined,
      ignition: '{"ignition":{"version":"3.4.0"}}',
    });
    const removal = () => rm(dirname(stateFile('ignited')), { recursive: true });
    await expectSame('ignited', object, removal, /back from import default\.ignited /);
  });

  test('is not restored from an earlier machine of the same name', async () => {
    const object = await made('reborn');
    const old = await readFile(stateFile('reborn'), 'utf8');
    const old1 = { ...JSON.parse(old), serial: 99 };
    const domain = old1.resources.find(({ type }: { type: string }) => type === 'libvirt_domain');
    domain.instances[0].attributes.id = '11111111-1111-4111-8111-111111111111';
    const change = async () => {
      const [kept] = await readdir(here().workspaceFile('reborn', 'history'));
      await rm(here().workspaceFile('reborn', join('history', kept ?? '')));
      const name = `${old1.lineage.slice(0, 8)}.99.tfstate`;
      await writeFile(here().workspaceFile('reborn', join('history', name)), JSON.stringify(old1));
      await rm(stateFile('reborn'));
    };
    await expectSame('reborn', object, change, /back from import default\.reborn /);
  });

  test('is restored when only a domain or a disk was removed from it', async () => {
    const object = await made('partial', rich);
    const change = async () => {
      const state = await stateOf('partial');
      const isLeft = ({ type, name }: { type: string; name: string }) =>
        type !== 'libvirt_domain' && name !== 'disk_data';
      const resources = state.resources.filter(isLeft);
      await writeFile(
        stateFile('partial'),
        JSON.stringify({ ...state, serial: state.serial + 1, resources }),
      );
    };
    const names = /back from import default\.partial default\.partial\.\w+-disk-data\.qcow2\n/;
    await expectSame('partial', object, change, names);
  });
});

describe('a state that cannot be read', () => {
  const damages: readonly (readonly [string, string, (text: string) => string])[] = [
    ['cut', 'it is not JSON', (text) => text.slice(0, text.length / 2)],
    ['strange', 'it is not JSON', () => 'planted-secret'],
    ['newer', 'its format has version 5, and not 4', (text) => text.replace('"version": 4', '"version": 5')],
    ['hollow', 'its field serial is missing or has a wrong value', () => '{"version": 4}'],
  ];
  test.each(damages)(
    'because it is %s is reported, not changed, and repaired by a restore',
    async (name, why, damage) => {
      const object = await made(name);
      const { serial } = await stateOf(name);
      const uuid = await here().virsh('domuuid', `default.${name}`);
      const damaged = damage(await readFile(stateFile(name), 'utf8'));
      await writeFile(stateFile(name), damaged);

      const grown = { ...object, spec: { providerSpec: { ...providerSpec(object), autostart: true } } };
      const refused = await here().apply([grown]);
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain(`${stateFile(name)} cannot be read: ${why}`);
      expect(refused.stderr).toContain('[StateCorrupt]');
      expect(refused.stderr).toContain('caplv state restore NAME SERIAL');
      expect(refused.stderr).not.toContain('planted-secret');
      expect(await readFile(stateFile(name), 'utf8')).toBe(damaged);
      expect(await here().caplv.run(['delete', 'machine', name])).toMatchObject({ exitCode: 1 });
      expect(await here().virsh('domuuid', `default.${name}`)).toBe(uuid);

      await here().apply([object]);
      const restored = await here().caplv.run(['state', 'restore', name, String(serial)]);
      expect(restored.exitCode).toBe(0);
      expect(restored.stdout).toContain(
        `machine/${name}: serial ${serial} restored, as serial ${serial + 1}`,
      );
      expect(await readFile(`${stateFile(name)}.corrupt`, 'utf8')).toBe(damaged);
      expect(await here().virsh('domuuid', `default.${name}`)).toBe(uuid);
    },
  );
});

test('a disk that an interrupted change did not create stays, although it is missing in the state', async () => {
  const object = await made('unknown', { disks: [{ name: 'data', sizeGB: 1, format: 'raw' }] });
  const volume = (await here().volumes()).find((name) => name.includes('disk-data')) ?? '';
  await here().virsh('vol-upload', volume, await here().file('data', 'my data'), '--pool', 'default');
  const failing = { provisioner: [{ 'local-exec': { command: 'exit 1' } }] };
  const terraform = { resource: { terraform_data: { failing } } };
  const broken = { ...object, spec: { providerSpec: { ...providerSpec(object), terraform } } };
  expect((await here().apply([broken])).exitCode).not.toBe(0);
  const state = await stateOf('unknown');
  const resources = state.resources.filter(({ name }: { name: string }) => name !== 'disk_data');
  await writeFile(stateFile('unknown'), JSON.stringify({ ...state, resources }));

  expect(await here().apply([object], ['--allow-replace'])).toMatchObject({ exitCode: 0 });
  const copy = await here().file('copy', '');
  await here().virsh('vol-download', volume, copy, '--pool', 'default', '--length', '7');
  expect(await readFile(copy, 'utf8')).toBe('my data');
});

test('a deletion lists a pool only where a volume may be in no state, and leaves none either way', async () => {
  const asked = async (name: string) => {
    const traces = await collector();
    try {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: traces.url };
      const deleted = await here().caplv.run(['delete', 'machine', name, '--now'], { env });
      expect(deleted).toMatchObject({ exitCode: 0 });
      const spans = traces.spans().filter(({ name: what }) => what === 'virsh');
      return [...JSON.stringify(spans.map(({ attributes }) => attributes)).matchAll(/vol-\w+/g)].map(
        ([command]) => command,
      );
    } finally {
      traces.close();
    }
  };
  const spec = { ...here().image, disks: [{ name: 'data', sizeGB: 1 }] };
  expect(await here().apply([machine('tidy', spec), machine('robbed', spec)])).toMatchObject({ exitCode: 0 });

  const tidy = await asked('tidy');
  expect(tidy).toContain('vol-path');
  expect(tidy).not.toContain('vol-list');
  expect((await here().volumes()).filter((volume) => volume.includes('.tidy.'))).toEqual([]);

  const state = await stateOf('robbed');
  const resources = state.resources.filter(({ name }: { name: string }) => name !== 'disk_data');
  await writeFile(stateFile('robbed'), JSON.stringify({ ...state, resources }));
  expect(await here().apply([machine('robbed', here().image)], ['--allow-replace'])).toMatchObject({
    exitCode: 0,
  });
  expect((await here().volumes()).filter((volume) => volume.includes('disk-data'))).toHaveLength(1);
  expect(await asked('robbed')).toContain('vol-list');
  expect(await here().volumes()).toEqual([]);
});

describe('caplv state history and restore', () => {
  test('the last five serials are kept with mode 0600, and each of them can be restored with a higher serial', async () => {
    const object = await made('turned');
    for (let turn = 0; turn < 6; turn += 1) {
      const spec = { ...providerSpec(object), autostart: turn % 2 === 0 };
      expect(await here().apply([{ ...object, spec: { providerSpec: spec } }])).toMatchObject({
        exitCode: 0,
      });
    }
    const kept = await historyOf('turned');
    const now = await stateOf('turned');
    expect(kept).toHaveLength(5);
    expect(kept[0]).toMatchObject({ serial: now.serial, lineage: now.lineage });
    const directory = here().workspaceFile('turned', 'history');
    for (const file of await readdir(directory)) {
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
    }
    // In it the domain starts with the host, and in the spec it does not.
    const { stdout } = await here().caplv.run(['state', 'restore', 'turned', String(kept[1].serial)]);
    expect(stdout).toMatch(
      new RegExp(`^machine/turned: serial ${kept[1].serial} restored, as serial \\d+\n`),
    );
    const after = await stateOf('turned');
    expect(after.lineage).toBe(now.lineage);
    expect(after.serial).toBeGreaterThan(now.serial);
    expect((await historyOf('turned')).map(({ serial }: { serial: number }) => serial)).toEqual([
      after.serial,
      ...kept.slice(0, 4).map(({ serial }: { serial: number }) => serial),
    ]);
  });

  test('a serial that is not kept, or of another lineage, is refused with the list of kept serials', async () => {
    await made('refused');
    const { serial, ...state } = await stateOf('refused');
    expect((await here().caplv.run(['state', 'restore', 'refused', '77'])).stderr).toContain(
      `serial 77 is not kept [NotFound]`,
    );
    const other = { ...state, serial: 50, lineage: '11111111-1111-4111-8111-111111111111' };
    const file = here().workspaceFile('refused', join('history', '11111111.50.tfstate'));
    await writeFile(file, JSON.stringify(other));
    const refused = await here().caplv.run(['state', 'restore', 'refused', '50']);
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('[StateMismatch]') });
    expect(await stateOf('refused')).toMatchObject({ serial });
  });
});

describe('an errored.tfstate, which Terraform leaves when it cannot save', () => {
  const errored = (name: string) => here().workspaceFile(name, 'errored.tfstate');

  test('is saved first, so that its objects are not created twice', async () => {
    const object = await made('errored');
    const uuid = await here().virsh('domuuid', 'default.errored');
    const whole = await stateOf('errored');
    // As when the disk was full at the end of the create.
    await writeFile(errored('errored'), JSON.stringify({ ...whole, serial: whole.serial + 1 }));
    await truncate(stateFile('errored'), 0);
    const spec = { ...providerSpec(object), autostart: true };
    const applied = await here().apply([{ ...object, spec: { providerSpec: spec } }]);
    expect(applied).toMatchObject({ exitCode: 0 });
    expect(applied.stderr).not.toMatch(/brought|removed/);
    expect(await here().virsh('domuuid', 'default.errored')).toBe(uuid);
    await expect(readFile(errored('errored'))).rejects.toThrow('ENOENT');
  });

  test.each([
    ['another lineage', { lineage: '11111111-1111-4111-8111-111111111111' }],
    ['an older serial', { serial: 0 }],
  ])('of %s is refused, and nothing is changed', async (_, change) => {
    const object = await made('foreign');
    const whole = await stateOf('foreign');
    await writeFile(errored('foreign'), JSON.stringify({ ...whole, ...change, resources: [] }));
    const spec = { ...providerSpec(object), autostart: true };
    const refused = await here().apply([{ ...object, spec: { providerSpec: spec } }]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(errored('foreign'));
    expect(refused.stderr).toContain('[StateMismatch]');
    expect(await stateOf('foreign')).toEqual(whole);
    await rm(errored('foreign'));
  });
});
