/** Verifies that `npx cdktf`, plain terraform and caplv work on the same state. */

import { chmod, chown, mkdir, readdir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('cdktf');

const ROOT = join(import.meta.dirname, '../..');
const BIN = join(ROOT, 'node_modules/.bin');
const TOKEN = 'planted-in-cdktf';
/** Terraform gives it to a shell: what runs `caplv register` before the deploy. */
const MANIFEST = "node's ${terraform.workspace} $(exit 1).yaml";

const node = (spec: object = {}) =>
  machine('node', { ...here().image, running: true, userData: `#cloud-config\n# ${TOKEN}\n`, ...spec });

async function writeManifest(spec: object = {}): Promise<string> {
  return here().file(MANIFEST, manifest(node(spec)));
}

/** The official command line of CDKTF, in our checkout. Returns what it prints. */
async function cdktf(verb: string, ...args: string[]): Promise<string> {
  const { env } = here().caplv;
  const output = join(here().directory, 'cdktf.out');
  const { all } = await execa(join(BIN, 'cdktf'), [verb, ...args, '--output', output], {
    cwd: ROOT,
    env: {
      ...env,
      // Node and caplv of this checkout, as `npx` would have it.
      PATH: `${BIN}:${env['PATH']}`,
      CAPLV_MANIFESTS: join(here().directory, MANIFEST),
      CI: '1',
    },
    extendEnv: false,
    all: true,
    stdin: 'ignore',
  });
  expect(all).not.toContain(TOKEN);
  return all;
}

const deploy = () => cdktf('deploy', 'node', '--auto-approve', '--skip-provider-lock');
const destroy = () => cdktf('destroy', 'node', '--auto-approve', '--skip-provider-lock');
const diff = () => cdktf('diff', 'node', '--skip-provider-lock');

describe('npx cdktf, and caplv on the same state', () => {
  test('synth writes a stack for each machine, for its owner only', async () => {
    await writeManifest();
    expect(await cdktf('synth')).toContain('Generated Terraform code for the stacks: node');
    const output = join(here().directory, 'cdktf.out');
    expect((await stat(output)).mode & 0o777).toBe(0o700);
    const { stdout } = await execa('find', [output, '-perm', '/077']);
    expect(stdout).toBe('');
  });

  test('deploy makes the machine, and caplv finds nothing left to do', async () => {
    expect(await diff()).toContain('5 to add, 0 to change, 0 to destroy');
    expect(await deploy()).toContain('Apply complete! Resources: 5 added');
    expect(await here().domains()).toEqual(['default.node']);
    expect(await here().plan([node()])).toMatchObject({ exitCode: 0, stdout: 'machine/node: no changes' });
    const { exitCode, stderr } = await here().apply([node()]);
    expect(stderr).not.toMatch(/created|changed|removed|replaced/);
    expect(exitCode).toBe(0);
    expect(await here().machine('node')).toMatchObject({
      status: { phase: expect.stringMatching(/Provisioned|Running/) },
    });
  });

  test('cdktf sees no difference after a change by caplv', async () => {
    expect(await here().apply([node({ autostart: true })])).toMatchObject({ exitCode: 0 });
    await writeManifest({ autostart: true });
    expect(await diff()).toContain('found no differences, so no changes are needed');
  });

  test('caplv sees no difference after a change by cdktf', async () => {
    await writeManifest();
    expect(await deploy()).toContain('Resources: 0 added, 1 changed, 0 destroyed');
    expect(await here().plan([node()])).toMatchObject({ exitCode: 0 });
  });

  test('destroy removes what caplv created, and caplv then removes the rest', async () => {
    await here().caplv.read(['delete', 'machine', 'node', '--now']);
    expect(await here().apply([node()])).toMatchObject({ exitCode: 0 });
    expect(await diff()).toContain('found no differences, so no changes are needed');
    expect(await destroy()).toMatch(/Destroy complete! Resources: 5 destroyed/);
    expect(await here().domains()).toEqual([]);
    expect(await here().caplv.read(['get', 'machines'])).toMatch(/^node +Pending +False +NotAsSpecified/m);
    await here().caplv.read(['delete', 'machine', 'node', '--now']);
    expect(await here().volumes()).toEqual([]);
    expect(await here().stateFiles()).toEqual([]);
  });
});

describe('export', () => {
  test.each(['terraform', 'tofu'])('gives a directory in which plain %s sees no changes', async (program) => {
    const { failed } = await execa(program, ['version'], { reject: false, env: here().caplv.env });
    if (failed) return;
    expect(await here().apply([node()])).toMatchObject({ exitCode: 0 });
    const directory = join(here().directory, `exported-${program}`);
    const { stdout, stderr } = await here().caplv.run(['export', 'machine', 'node', directory]);
    expect(stdout + stderr).toContain(`Next: terraform -chdir=${directory} plan`);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    const run = execa({ env: here().caplv.env, extendEnv: false, stdin: 'ignore' });
    if (program === 'tofu') await run('tofu', [`-chdir=${directory}`, 'init', '-input=false']);
    const { exitCode } = await run(program, [
      `-chdir=${directory}`,
      'plan',
      '-detailed-exitcode',
      '-input=false',
    ]);
    expect(exitCode).toBe(0);
  });

  test('refuses a directory that another user owns or can write to, and a link', async () => {
    const place = (name: string) => join(here().directory, name);
    await mkdir(place('theirs'), { mode: 0o755 });
    await chown(place('theirs'), 4711, 4711);
    await mkdir(place('open'));
    await chmod(place('open'), 0o777);
    await mkdir(place('victim'), { mode: 0o700 });
    await symlink(place('victim'), place('link'));
    for (const [name, why] of [
      ['theirs', 'belongs to user 4711'],
      ['open', 'can be written to by other users'],
      ['link', 'is a symbolic link'],
    ] as const) {
      const { exitCode, stderr } = await here().caplv.run(['export', 'machine', 'node', place(name)]);
      expect(exitCode).not.toBe(0);
      expect(stderr).toContain(`${place(name)} ${why}`);
      expect(await readdir(place(name))).toEqual([]);
    }
  });

  test('refuses a directory that is not empty, and a machine that does not exist yet', async () => {
    expect(await here().caplv.run(['export', 'machine', 'node', here().directory])).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining(`${here().directory} is not empty`),
    });
    await here().caplv.read(['delete', 'machine', 'node', '--now']);
    expect(
      await here().caplv.run(['export', 'machine', 'node', join(here().directory, 'new')]),
    ).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('there is no Machine "node"'),
    });
  });
});
