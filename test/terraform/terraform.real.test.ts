/** Verifies whole terraform runs with warm and forked providers, and concurrent use of a workspace. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findProvider } from '../../src/terraform/install/provider.ts';
import { packageHash } from '../../src/terraform/install/provider-lock.ts';
import { findTerraform } from '../../src/terraform/install/terraform.ts';
import { TerraformError } from '../../src/terraform/run/terraform-error.ts';
import type { RunEvent } from '../../src/terraform/run-events.ts';
import { heldUp, providerOnly, realTerraform, uniqueName, useLab, volumeStack } from './real-terraform.ts';
import { scratchDir, setEnv } from './scratch.ts';

const host = useLab('terraform');

async function volumes(): Promise<string> {
  const { stdout } = await execa('virsh', ['-c', host().uri, 'vol-list', host().pool]);
  return stdout;
}

async function exists(path: string): Promise<boolean> {
  return (await readdir(join(path, '..'))).includes(path.split('/').at(-1) ?? '');
}

describe.each(['warm', 'fork'] as const)('%s provider', { timeout: 60_000 }, (mode) => {
  test('a stack is made, left alone, planned, replaced and removed', async () => {
    const terraform = await realTerraform(mode);
    const workspace = { dir: join(await scratchDir(), 'a', 'b') };
    const name = uniqueName();
    const events: RunEvent[] = [];
    const options = { providerKey: host().uri, onEvent: (event: RunEvent) => events.push(event) };
    expect(await terraform.state(workspace)).toBeUndefined();

    const created = await terraform.apply(workspace, volumeStack(host(), { name }), options);
    expect(created).toEqual({
      changes: [
        expect.objectContaining({
          address: 'libvirt_volume.v',
          action: 'create',
          id: expect.stringContaining(name),
        }),
      ],
      outputs: { id: expect.stringContaining(name) },
    });
    expect(await volumes()).toContain(name);
    expect(events.filter(({ type }) => type !== 'initializing')).toEqual([
      { type: 'started', address: 'libvirt_volume.v', action: 'create' },
      { type: 'completed', address: 'libvirt_volume.v', action: 'create', elapsedMs: expect.any(Number) },
    ]);

    expect(await terraform.plan(workspace, volumeStack(host(), { name }), options)).toEqual({
      action: 'none',
      changes: [],
      drift: [],
    });

    const bigger = volumeStack(host(), { name, size: 2_097_152 });
    const plan = await terraform.plan(workspace, bigger, { ...options, save: true });
    expect(plan).toMatchObject({
      action: 'replace',
      changes: [{ address: 'libvirt_volume.v', reason: 'cannot_update' }],
    });
    expect(await terraform.explain(workspace, plan, options)).toEqual([
      expect.objectContaining({
        replacePaths: ['size'],
        attributes: expect.arrayContaining([{ name: 'size', before: 1_048_576, after: 2_097_152 }]),
      }),
    ]);
    const replaced = await terraform.apply(workspace, bigger, { ...options, plan });
    expect(replaced.changes.map(({ action }) => action)).toEqual(['delete', 'create']);
    const state = await terraform.state(workspace);
    expect(state?.resources).toEqual([
      expect.objectContaining({ address: 'libvirt_volume.v', tainted: false }),
    ]);
    expect(state?.resources[0]?.attributes).toMatchObject({ size: 2_097_152 });

    const destroyed = await terraform.destroy(workspace, providerOnly(host()), options);
    expect(destroyed.changes).toMatchObject([{ action: 'delete' }]);
    expect(await volumes()).not.toContain(name);
    expect(await terraform.destroy(workspace, providerOnly(host()), options)).toEqual({
      changes: [],
      outputs: {},
    });
  });

  test('no other user can read what it leaves in its directory', async () => {
    const terraform = await realTerraform(mode);
    const workspace = { dir: join(await scratchDir(), 'w') };
    const options = { providerKey: host().uri };
    const name = uniqueName();
    await terraform.apply(workspace, volumeStack(host(), { name }), options);
    await terraform.plan(workspace, volumeStack(host(), { name, size: 2_097_152 }), {
      ...options,
      save: true,
    });
    for (const entry of await readdir(workspace.dir, { recursive: true, withFileTypes: true })) {
      // Links have no mode of their own, and Terraform itself opens its checksums to all.
      if (entry.isSymbolicLink() || entry.name === '.terraform.lock.hcl') continue;
      const { mode: bits } = await stat(join(entry.parentPath, entry.name));
      expect([entry.name, bits & 0o077]).toEqual([entry.name, 0]);
    }
    await terraform.destroy(workspace, providerOnly(host()), options);
  });

  test('a provider is started only if the lock file has its hash', async () => {
    const lockFile = join(await scratchDir(), '.terraform.lock.hcl');
    setEnv({ CAPLV_PROVIDER_LOCK: lockFile });
    const lock = (hash: string) =>
      writeFile(
        lockFile,
        `provider "registry.terraform.io/dmacvicar/libvirt" {\n  version = "0.8.3"\n  hashes = [\n    "${hash}",\n  ]\n}\n`,
      );
    const planned = async () => {
      const terraform = await realTerraform(mode);
      return terraform.plan({ dir: await scratchDir() }, volumeStack(host(), { name: uniqueName() }), {
        providerKey: host().uri,
      });
    };
    await lock('h1:4R2L9SlbXt5VVZtQ0vPe1s65UygQT3aKTWpsGKqTnvM=');
    await expect(planned()).rejects.toThrow(/lock file/);
    setEnv({ CAPLV_PROVIDER_LOCK: undefined });
    const provider = await findProvider({ terraform: await findTerraform() });
    await lock(await packageHash(dirname(provider)));
    setEnv({ CAPLV_PROVIDER_LOCK: lockFile });
    await expect(planned()).resolves.toMatchObject({ changes: [{ action: 'create' }] });
  });

  test('a failure names resource and cause', async () => {
    const terraform = await realTerraform(mode);
    const workspace = { dir: await scratchDir() };
    const config = {
      ...providerOnly(host()),
      resource: { libvirt_volume: { v: { name: 'v', pool: 'nowhere', size: 1 } } },
    };
    const failure = terraform.apply(workspace, config, { providerKey: host().uri });
    await expect(failure).rejects.toBeInstanceOf(TerraformError);
    await expect(failure).rejects.toThrow(
      "terraform apply failed: libvirt_volume.v: can't find storage pool 'nowhere'",
    );
  });
});

describe('one workspace, many hands', { timeout: 60_000 }, () => {
  test('a plan that was overtaken is not applied', async () => {
    const terraform = await realTerraform();
    const workspace = { dir: await scratchDir() };
    const options = { providerKey: host().uri };
    const name = uniqueName();
    const config = volumeStack(host(), { name });
    const plan = await terraform.plan(workspace, config, { ...options, save: true });
    await terraform.apply(workspace, config, options);
    await expect(terraform.apply(workspace, config, { ...options, plan })).rejects.toMatchObject({
      code: 'Conflict',
    });
    const later = await terraform.plan(workspace, config, { ...options, save: true });
    await terraform.plan(workspace, config, { ...options, save: true });
    await expect(terraform.apply(workspace, config, { ...options, plan: later })).rejects.toMatchObject({
      code: 'Conflict',
    });
    await terraform.destroy(workspace, providerOnly(host()), options);
  });

  test("no other process comes between the plan and the apply of the lock's holder", async () => {
    const terraform = await realTerraform();
    const workspace = { dir: await scratchDir() };
    const config = volumeStack(host(), { name: uniqueName() });
    const options = { providerKey: host().uri };
    const session = await terraform.terraform.open(workspace, { ...options, operation: 'update' });
    const plan = await session.plan(config, { save: true });
    const other = terraform.plan(workspace, config, { providerKey: host().uri, lockTimeoutMs: 0 });
    await expect(other).rejects.toMatchObject({
      code: 'StateLocked',
      message: expect.stringContaining('(update)'),
    });
    await session.apply(config, { plan });
    await session.release();
    await terraform.destroy(workspace, providerOnly(host()), options);
  });

  test("someone's own terraform on the same state keeps us out, and is named", async () => {
    const terraform = await realTerraform();
    const dir = await scratchDir();
    const workspace = { dir };
    const fifo = join(dir, 'fifo');
    await execa('mkfifo', [fifo]);
    await writeFile(join(dir, 'main.tf.json'), JSON.stringify({ resource: heldUp(fifo) }));
    const theirs = spawn('terraform', ['apply', '-auto-approve', '-json'], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => {
      theirs.kill();
    });
    const ended = once(theirs, 'exit');
    // By lines, not by the stream itself: leaving its loop would close the pipe, and that would kill terraform.
    for await (const line of createInterface({ input: theirs.stdout })) {
      if (line.includes('provision_start')) break;
    }
    const events: RunEvent[] = [];
    const options = { providerKey: host().uri, onEvent: (event: RunEvent) => events.push(event) };
    await expect(
      terraform.plan(workspace, providerOnly(host()), { ...options, lockTimeoutMs: 1_000 }),
    ).rejects.toMatchObject({
      code: 'StateLocked',
      message: expect.stringMatching(/^The Terraform state is locked by .+@.+ \(apply\) since 20/),
    });
    expect(events).toMatchObject([
      { type: 'waiting', holder: { operation: 'apply', who: expect.stringContaining('@') } },
    ]);
    await writeFile(fifo, 'go\n');
    await ended;
  });

  test('a state that could not be saved goes first: nothing is made twice', async () => {
    const terraform = await realTerraform();
    const workspace = { dir: await scratchDir() };
    const options = { providerKey: host().uri };
    const name = uniqueName();
    const config = volumeStack(host(), { name });
    await terraform.apply(workspace, volumeStack(host(), { name, size: 2_097_152 }), options);
    const before = join(workspace.dir, 'before');
    await copyFile(join(workspace.dir, 'terraform.tfstate'), before);
    await terraform.apply(workspace, config, options);
    // As it is after an apply that could not write the state: the old one is in place, the new one beside it.
    await copyFile(join(workspace.dir, 'terraform.tfstate'), join(workspace.dir, 'errored.tfstate'));
    await copyFile(before, join(workspace.dir, 'terraform.tfstate'));
    expect(await terraform.plan(workspace, config, options)).toMatchObject({ action: 'none', drift: [] });
    expect(await exists(join(workspace.dir, 'errored.tfstate'))).toBe(false);
    await terraform.destroy(workspace, providerOnly(host()), options);
  });

  test('what an earlier version or a person left as configuration does not act', async () => {
    const terraform = await realTerraform();
    const workspace = { dir: await scratchDir() };
    await writeFile(
      join(workspace.dir, 'old.tf.json'),
      JSON.stringify({ resource: { terraform_data: { old: {} } } }),
    );
    const plan = await terraform.plan(workspace, providerOnly(host()), { providerKey: host().uri });
    expect(plan.action).toBe('none');
    expect(await readFile(join(workspace.dir, 'cdk.tf.json'), 'utf8')).toContain(host().uri);
  });
});

test('user data is nowhere but in configuration, state and plan, which only we can read', {
  timeout: 60_000,
}, async () => {
  const workspace = { dir: await scratchDir() };
  const [log, temporary] = [await scratchDir(), await scratchDir()];
  setEnv({ TF_LOG: 'TRACE', TF_LOG_PATH: join(log, 'log'), TMPDIR: temporary });
  const terraform = await realTerraform();
  const said: string[] = [];
  const options = { providerKey: host().uri, onEvent: (event: RunEvent) => said.push(JSON.stringify(event)) };
  const seed = (token: string) => ({
    ...providerOnly(host()),
    resource: {
      libvirt_cloudinit_disk: {
        seed: {
          name: uniqueName(),
          pool: host().pool,
          user_data: `#cloud-config\n# ${token}`,
          meta_data: '',
          network_config: '',
        },
      },
    },
  });
  said.push(JSON.stringify(await terraform.apply(workspace, seed('planted-token-1'), options)));
  const plan = await terraform.plan(workspace, seed('planted-token-2'), { ...options, save: true });
  said.push(JSON.stringify([plan, await terraform.explain(workspace, plan, options)]));
  expect(said.join()).toContain('user_data');
  expect(said.join()).not.toContain('planted-token');
  expect(await filesWith('planted-token', workspace.dir)).toEqual(['cdk.tf.json', 'terraform.tfstate']);
  expect(await filesWith('planted-token', temporary)).toEqual([]);
  expect(await readdir(log)).toEqual([]);
  await terraform.destroy(workspace, providerOnly(host()), options);
});

async function filesWith(text: string, dir: string): Promise<string[]> {
  const { stdout } = await execa('grep', ['-rl', '--', text, dir], { reject: false });
  return stdout
    .split('\n')
    .filter((path) => path !== '')
    .map((path) => path.slice(dir.length + 1))
    .sort();
}

test('many workspaces start at once on a provider that is not yet connected', {
  timeout: 60_000,
}, async () => {
  const terraform = await realTerraform();
  const root = await scratchDir();
  const options = { providerKey: host().uri };
  const names = Array.from({ length: 8 }, uniqueName);
  await Promise.all(
    names.map((name) => terraform.apply({ dir: join(root, name) }, volumeStack(host(), { name }), options)),
  );
  const made = await volumes();
  expect(names.filter((name) => !made.includes(name))).toEqual([]);
  await Promise.all(
    names.map((name) => terraform.destroy({ dir: join(root, name) }, providerOnly(host()), options)),
  );
});
