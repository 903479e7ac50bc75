/** Verifies that hostile strings are refused with the path of their field, and that errors name what cannot work. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CLOSED_FIELDS, CONTROL, refusedTexts, withText } from './hostile-fields.ts';
import { asName } from './hostile-strings.ts';
import { useHostileWorld } from './hostile-world.ts';
import { cluster, machine } from './manifests.ts';

const world = useHostileWorld('refusals');

test.each(Object.keys(CLOSED_FIELDS))('a field of a %s with such text is named', async (kind) => {
  const { here, texts } = world();
  const cases = (CLOSED_FIELDS[kind] ?? []).flatMap((path) =>
    refusedTexts(path, texts).map((text) => ({ path, object: withText(kind, path, text) })),
  );
  // One line each, so that an error's line says which it is about.
  const input = cases.map(({ object }) => JSON.stringify(object)).join('\n---\n');
  const { exitCode, stdout, stderr } = await here.caplv.run(['apply', '-f', '-'], { input });
  expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
  const said = stderr.split('\n').slice(1);
  const indexes = said.map((line) => (Number(/^ {2}stdin:(\d+): /.exec(line)?.[1]) - 1) / 2);
  expect(said.filter((line, at) => !line.includes(`: ${cases[indexes[at] ?? 0]?.path}`))).toEqual([]);
  expect(new Set(indexes).size).toBe(cases.length);
  expect(said.filter((line) => CONTROL.test(line))).toEqual([]);
  await world().expectUntouched();
});

test('a missing file is named, and nothing is created', async () => {
  const { here, names } = world();
  const missing = names.flatMap((text, index) => {
    const name = asName(text);
    const disks = [{ name: 'a', volume: `default/nowhere${name}` }];
    const files = [{ imageURI: `/nowhere/${name}` }, { ...here.image, userDataURI: `/nowhere/${name}` }];
    const volumes = [{ imageURI: `volume:default/nowhere${name}` }, { ...here.image, disks }];
    return [files[index % 2] ?? {}, volumes[index % 2] ?? {}].map((spec, one) =>
      machine(`missing${index}-${one}`, spec),
    );
  });
  const { exitCode, stderr } = await here.apply(missing);
  expect(exitCode).toBe(1);
  expect(stderr).not.toContain('bug in caplv');
  const refused = stderr.split('\n').filter((line) => line.startsWith('error: '));
  expect(refused).toHaveLength(missing.length);
  for (const line of refused) {
    expect(line).toMatch(
      /spec\.providerSpec\.(imageURI|disks\[0\]\.volume|userDataURI): .* \[(Image|UserData)NotFound\]$/,
    );
  }
  await world().delete(...missing);
});

test('a firmware that QEMU refuses: the error names it, and the machine can be deleted', async () => {
  const { here, names } = world();
  const firmware = `/nowhere/${asName(`${names[1]}<&>'"\${a}`)}`;
  const one = machine('hostile', { ...here.image, firmware });
  const { exitCode, stderr } = await here.apply([one]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/error: machine\/hostile: .*\[(TerraformError|LibvirtError)\]/);
  expect(stderr).toContain(firmware);
  await world().delete(one);
});

test('options of QEMU in the path of a pool are refused, since the guest would read a file of the host', async () => {
  const { here } = world();
  const path = join(here.directory, 'pool,file=/etc/shadow,name=');
  const pool = cluster('hostile', { pool: { name: 'hostile', path } });
  const { exitCode, stderr } = await here.apply([
    pool,
    machine('hostile', { ...here.image, ignition: '{}' }),
  ]);
  expect(stderr).toMatch(/spec\.providerSpec\.pool\.path: .* without commas/);
  expect(exitCode).toBe(3);
  await world().expectUntouched();
});

test('a manifest with its own Terraform is refused where that is not allowed', async () => {
  const { here } = world();
  const xslt = `<xsl:value-of select="document('/etc/passwd')"/>`;
  const terraform = { resource: { libvirt_domain: { machine: { xml: { xslt } } } } };
  const one = machine('hostile', { ...here.image, terraform });
  const { exitCode, stderr } = await here.apply([one], ['--allow', here.lab.directory]);
  expect(stderr).toMatch(/spec\.providerSpec\.terraform: .*\[NotAllowed\]/);
  expect(exitCode).not.toBe(0);
  await world().delete(one);
});
