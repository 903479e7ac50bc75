/** Verifies the npm package, installed and run by an unprivileged user. */

import {
  chmod,
  chown,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodeOf } from '../lab/node-versions.ts';
import { userEnvironment } from './caplv.ts';
import { machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('package');

/** A user of this machine who owns nothing. */
const NOBODY = 65534;

/** Where the package is installed, with all that it needs: nothing of the checkout is used. */
let elsewhere: string;

/** What npm says while it installs the package. */
let installation: { readonly stdout: string; readonly stderr: string };

beforeAll(async () => {
  elsewhere = await mkdtemp(join(tmpdir(), 'caplv-e2e-elsewhere-'));
  await chmod(elsewhere, 0o755);
  // Built already, and other tests are running what is built.
  await execa('npm', ['pack', '--ignore-scripts', '--pack-destination', elsewhere], {
    cwd: join(import.meta.dirname, '../..'),
  });
  const [tarball = ''] = await readdir(elsewhere);
  installation = await execa(
    'npm',
    ['install', '--omit=dev', '--no-audit', '--no-fund', '--prefer-offline', join(elsewhere, tarball)],
    // Without the settings that npm passes on from our own .npmrc, which another project does not have.
    { cwd: await directory('app'), env: withoutNpm(), extendEnv: false },
  );
  await directory('bin');
  await copyFile(process.execPath, join(elsewhere, 'bin/node'));
  const { stdout: terraform } = await execa('sh', ['-c', 'command -v terraform'], { env: here().lab.env() });
  await copyFile(terraform, join(elsewhere, 'bin/terraform'));
  await provider();
  await chown(await directory('home'), NOBODY, NOBODY);
}, 300_000);

afterAll(() => rm(elsewhere, { recursive: true, force: true }));

function withoutNpm(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
}

async function directory(name: string): Promise<string> {
  const path = join(elsewhere, name);
  await mkdir(path);
  return path;
}

/** A filesystem mirror that everybody may read, and the configuration that names it. */
async function provider(): Promise<void> {
  const config = await readFile(here().lab.env()['TF_CLI_CONFIG_FILE'] ?? '', 'utf8');
  const [, mirror = ''] = /path\s*=\s*"([^"]+)"/.exec(config) ?? [];
  await cp(mirror, join(elsewhere, 'mirror'), { recursive: true, dereference: true });
  await writeFile(join(elsewhere, 'terraformrc'), config.replace(mirror, join(elsewhere, 'mirror')));
  await execa('chmod', ['-R', 'a+rX', join(elsewhere, 'mirror'), join(elsewhere, 'terraformrc')]);
}

interface As {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Numeric group. */
  readonly group?: string;
}

/** Runs the installed command as the user nobody, by default with the group of libvirt. */
async function caplv(args: readonly string[], { env = {}, input = '', group = libvirtGroup }: As = {}) {
  const { exitCode, stdout, stderr } = await execa(
    'setpriv',
    [
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      `--groups=${group}`,
      join(elsewhere, 'app/node_modules/.bin/caplv'),
      ...args,
    ],
    {
      cwd: join(elsewhere, 'home'),
      env: userEnvironment({
        CAPLV_LIBVIRT_URI: here().host.uri,
        HOME: join(elsewhere, 'home'),
        PATH: `${join(elsewhere, 'bin')}:/usr/bin:/bin`,
        TF_CLI_CONFIG_FILE: join(elsewhere, 'terraformrc'),
        ...env,
      }),
      extendEnv: false,
      input,
      reject: false,
    },
  );
  return { exitCode, stdout, stderr };
}

/** Of the lab's libvirt: this machine may have no such group. */
let libvirtGroup = String(NOBODY);

beforeAll(async () => {
  libvirtGroup = String((await stat(join(here().host.directory, 'run/libvirt-sock'))).gid);
});

const node = () => manifest(machine('node', { ...here().image, userData: '#cloud-config\n' }));

test('installs without development dependencies', async () => {
  const names = await readdir(join(elsewhere, 'app/node_modules'));
  expect(names).toContain('cdktf');
  for (const name of ['typescript', 'vitest', 'cdktf-cli', 'cdktn']) expect(names).not.toContain(name);
  const files = await readdir(join(elsewhere, 'app/node_modules/caplv'));
  expect(files.sort()).toEqual([
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'deploy',
    'dist',
    'docs',
    'node_modules',
    'package.json',
  ]);
});

test('installs without warnings', () => {
  expect(`${installation.stdout}\n${installation.stderr}`).not.toMatch(/warn|deprecated|error/i);
});

test('a Node that is too old is reported as such, and not as a fault of caplv', async () => {
  const old = await nodeOf('20.19.0');
  const { exitCode, stdout, stderr } = await execa(
    old,
    [join(elsewhere, 'app/node_modules/.bin/caplv'), '--version'],
    { reject: false },
  );
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr).toMatch(/^caplv needs Node 22\.19 or newer, this is 20\.19\.0 \(.*\)\.\n.*$/);
});

test('runs outside of the checkout, for a user with the rights of the group libvirt only', async () => {
  const text = await readFile(join(import.meta.dirname, '../../package.json'), 'utf8');
  expect(await caplv(['--version'])).toMatchObject({ exitCode: 0, stdout: JSON.parse(text).version });
  const checked = await caplv(['doctor']);
  expect(checked.stdout).toContain(join(elsewhere, 'bin/terraform'));
  expect(checked.stdout).toMatch(/^ok +libvirt/m);
  expect(checked.exitCode).toBe(0);
});

test('creates, shows and removes a machine there, and keeps all files in the home of that user', async () => {
  expect(await caplv(['apply', '-f', '-'], { input: node() })).toMatchObject({
    exitCode: 0,
    stdout: 'machine/node created',
  });
  expect(await here().domains()).toEqual(['default.node']);
  expect(await caplv(['get', 'machines', '-o', 'name'])).toMatchObject({ stdout: 'machine/node' });
  expect(await caplv(['plan', '-f', '-'], { input: node() })).toMatchObject({ exitCode: 0 });
  expect(await readdir(join(elsewhere, 'home/.local/state/caplv'))).toContain('machines');
  expect(await caplv(['delete', 'machine', 'node'])).toMatchObject({ exitCode: 0 });
  expect(await here().domains()).toEqual([]);
  expect(await here().volumes()).toEqual([]);
});

test('a state directory that may not be written', async () => {
  const env = { CAPLV_STATE_DIR: join(elsewhere, 'not-mine') };
  const refusal =
    /^error: cannot use the state directory .*not-mine: EACCES.* \[StateDirNotWritable\]\n {2}fix: make it writable for you, or name another with --state-dir/;
  for (const args of [
    ['apply', '-f', '-'],
    ['get', 'machines'],
  ]) {
    const { exitCode, stderr } = await caplv(args, { env, input: node() });
    expect(stderr).toMatch(refusal);
    expect(exitCode).toBe(1);
  }
  expect(await caplv(['doctor'], { env })).toMatchObject({
    exitCode: 1,
    stdout: expect.stringMatching(
      /^failed +state directory +EACCES.*\n +fix: name another one with --state-dir/m,
    ),
  });
});

test('a state directory of another user', async () => {
  const env = { CAPLV_STATE_DIR: await directory('somebodys') };
  await writeFile(join(elsewhere, 'somebodys/installation-id'), '8b0e4f7e-6b8c-4f5e-9d6e-3c1f2b7a9d10\n');
  const { exitCode, stderr } = await caplv(['apply', '-f', '-'], { env, input: node() });
  expect(stderr).toMatch(/\[StateDirNotWritable\]\n {2}fix: /);
  expect(exitCode).toBe(1);
});

test('an image or a manifest that may not be read', async () => {
  const image = await here().file('private.qcow2', await readFile(here().lab.imagePath));
  await chmod(here().directory, 0o755);
  await chmod(image, 0o600);
  const object = manifest(machine('node', { imageURI: image }));
  expect(await caplv(['apply', '-f', '-'], { input: object })).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining(`cannot read the image ${image}: permission denied [ImageNotFound]`),
  });
  expect(await caplv(['delete', 'machine', 'node'])).toMatchObject({ exitCode: 0 });
  const file = await here().file('private.yaml', node());
  await chmod(file, 0o600);
  expect(await caplv(['apply', '-f', file])).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('no permission to read this file'),
  });
});

test('a libvirt that does not let this user in', async () => {
  const { exitCode, stderr } = await caplv(['apply', '-f', '-'], { input: node(), group: String(NOBODY) });
  expect(stderr).toMatch(
    /Permission denied \[LibvirtPermissionDenied\]\n {2}fix: Add the user to the group libvirt/,
  );
  expect(exitCode).toBe(1);
  expect(await caplv(['delete', 'machine', 'node'])).toMatchObject({ exitCode: 0 });
});
