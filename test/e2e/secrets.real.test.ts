/** Verifies that no secret of a machine appears in files, processes or output. */

import { randomUUID } from 'node:crypto';
import { chmod, readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, expect, test } from 'vitest';
import type { CaplvResult } from './caplv.ts';
import { Gate } from './gate.ts';
import { type ManifestObject, machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('secrets');

/** In the user data of each machine of this file. */
const TOKEN = `planted-${randomUUID()}`;
const USER_DATA = `#cloud-config\nwrite_files:\n  - {path: /etc/token, content: ${TOKEN}}\n`;

const said: CaplvResult[] = [];

/** Runs caplv, and keeps what it says for the end. */
async function run(args: readonly string[], object?: ManifestObject): Promise<CaplvResult> {
  const result = await here().caplv.run([...args, '-v'], object ? { input: manifest(object) } : {});
  said.push(result);
  return result;
}

afterAll(() => {
  expect(said.length).toBeGreaterThan(10);
  for (const { stdout, stderr } of said) expect(stdout + stderr).not.toContain(TOKEN);
});

/** Runs a shell script as a user who has no rights. */
async function asNobody(script: string): Promise<string> {
  const { stdout } = await execa(
    'setpriv',
    ['--reuid=65534', '--regid=65534', '--clear-groups', 'sh', '-c', script],
    { reject: false, cwd: '/' },
  );
  return stdout;
}

/** Files with the token that everybody can read. */
async function readableByAll(...directories: readonly string[]): Promise<string[]> {
  const found = await asNobody(`grep -rlF -e '${TOKEN}' ${directories.join(' ')} 2>/dev/null`);
  return found.split('\n').filter((line) => line !== '');
}

/** Returns where the standard error of the providers goes. They log user data, which must not be stored or passed on. */
async function providerOutputs(): Promise<string[]> {
  const found = (await readdir('/proc')).map(async (pid) => {
    try {
      const isOurs = (await readFile(`/proc/${pid}/environ`, 'utf8')).includes(here().stateDir);
      const program = basename(await readlink(`/proc/${pid}/exe`));
      if (isOurs && program.startsWith('terraform-provider-')) return await readlink(`/proc/${pid}/fd/2`);
    } catch {
      // No process, or one that has just ended.
    }
    return [];
  });
  return (await Promise.all(found)).flat();
}

const places = () => [here().lab.directory, here().directory, '/tmp', '/var/tmp', '/run', '/var/log'];
const secretive = (spec: object = {}) =>
  machine('secretive', { ...here().image, userData: USER_DATA, ...spec });

test('while Terraform runs, secrets are in no file, command line or environment that others can read', async () => {
  // Only what caplv itself protects counts: the test's own directory is open.
  await chmod(here().directory, 0o755);
  const gate = await Gate.make(join(here().directory, 'gate'));
  await chmod(join(here().directory, 'gate'), 0o755);
  const object = secretive({ running: true, terraform: gate.afterDomain() });
  const caplv = here().caplv.start(['apply', '-f', '-', '-v'], { input: manifest(object) });
  try {
    await caplv.says(/creating terraform_data\.gate/);
    expect(await readableByAll(...places())).toEqual([]);
    const processes = await asNobody('cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null');
    expect(processes).toContain('guest=default.secretive');
    expect(processes).not.toContain(TOKEN);
    expect(await providerOutputs()).toEqual(['/dev/null']);
  } finally {
    await gate.open();
    said.push(await caplv.result);
  }
  expect(said[0]).toMatchObject({ exitCode: 0 });
});

test('files on the command line of QEMU cannot be read by others', async () => {
  const lines = await asNobody('cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"');
  const paths = [...lines.matchAll(/"filename":"([^"]+)"/g)]
    .map(([, path]) => path ?? '')
    .filter((path) => path.startsWith(here().lab.directory));
  expect(paths).toContainEqual(expect.stringContaining('-seed.iso-'));
  expect(await readableByAll(...paths)).toEqual([]);
});

test('get, describe and plan hide secrets, in every format', async () => {
  for (const format of ['wide', 'json', 'yaml', 'name']) await run(['get', 'machines', '-o', format]);
  for (const format of ['json', 'yaml']) await run(['describe', 'machine', 'secretive', '-o', format]);
  await run(['describe', 'machine', 'secretive']);
  expect((await run(['get', 'machine', 'secretive', '-o', 'yaml'])).stdout).toMatch(
    /userData: \(hidden, \d+ bytes\)/,
  );

  const changed = secretive({ userData: `${USER_DATA}# changed\n`, memoryMiB: 160 });
  const planned = await run(['plan', '-f', '-'], changed);
  expect(planned.stdout).toContain('memory: 128 -> 160');
  await run(['plan', '-f', '-', '-o', 'json'], changed);
  await run(['plan', '-f', '-', '-o', 'yaml'], secretive({ networkConfig: `version: 2 # ${TOKEN}` }));
  expect(await run(['apply', '-f', '-'], changed)).toMatchObject({ exitCode: 4 });
  expect(await readableByAll(...places())).toEqual([]);
});

test('errors do not quote secrets', async () => {
  const { caplv } = here();
  const broken = `kind: Machine\nspec: {providerSpec: {userData: ${TOKEN}: {{\n  ${TOKEN}\n`;
  said.push(await caplv.run(['apply', '-f', '-', '-v'], { input: broken }));
  expect(await run(['apply', '-f', '-'], secretive({ userData: [TOKEN] }))).toMatchObject({ exitCode: 3 });
  expect(
    await run(['apply', '-f', '-'], secretive({ userData: `${TOKEN} \${CAPLV_NOTHING}` })),
  ).toMatchObject({
    exitCode: 3,
  });
  for (const spec of [{ userData: `password: ${TOKEN}` }, { networkConfig: `- ${TOKEN}` }])
    expect(await run(['apply', '-f', '-'], secretive(spec))).toMatchObject({ exitCode: 3 });
  const ignition = machine('ignited', { ...here().image, ignition: `{ "token": ${TOKEN}` });
  expect(await run(['apply', '-f', '-'], ignition)).toMatchObject({ exitCode: 3 });
  const text = await here().file('broken.ign', `{ "token": ${TOKEN}`);
  const named = machine('ignited', { ...here().image, ignitionURI: text });
  expect(await run(['apply', '-f', '-'], named)).toMatchObject({ exitCode: 3 });
  await run(['delete', 'machine', 'ignited', '--ignore-not-found']);
});

test('messages of a failed Terraform about a resource with secrets are not passed on', async () => {
  const object = machine('ignited', {
    ...here().image,
    ignition: JSON.stringify({ ignition: { version: '3.4.0' }, token: TOKEN }),
    terraform: { resource: { libvirt_domain: { machine: { disk: [{ volume_id: '/nowhere' }] } } } },
  });
  expect(await run(['apply', '-f', '-'], object)).toMatchObject({ exitCode: 1 });
  await run(['delete', 'machine', 'ignited', '--now']);
});

test('the state directory is for its owner only, file by file', async () => {
  const entries = await readdir(here().stateDir, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  expect(await asNobody(`ls ${here().stateDir}`)).toBe('');
  const { stdout } = await execa('find', [...paths, '-maxdepth', '0', '-perm', '/077']);
  expect(stdout).toBe('');
  // Checks that the test reads the right place: its owner finds the token.
  const state = await readFile(here().workspaceFile('secretive', 'terraform.tfstate'), 'utf8');
  expect(state).toContain('seed.iso');
});

test('delete removes secrets from the host', async () => {
  expect(await run(['delete', 'machine', 'secretive', '--now'])).toMatchObject({ exitCode: 0 });
  expect(await here().volumes()).toEqual([]);
  const { stdout } = await execa('grep', ['-rlF', '-e', TOKEN, here().stateDir, here().lab.directory], {
    reject: false,
  });
  expect(stdout).toBe('');
});
