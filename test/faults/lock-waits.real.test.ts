/** Verifies that a condition names the holder of a lock, and that a lock is kept until its holder is proven to be gone. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { machine, manifest } from '../e2e/manifests.ts';
import { useStandalone } from '../e2e/standalone.ts';
import { scratchDir } from '../terraform/scratch.ts';
import { record } from './record.ts';

const HOLDER = join(import.meta.dirname, '../system/lock-holder-process.ts');
const SOON = { timeout: 60_000, interval: 100 };
const SINCE = String.raw`since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*`;

const here = useStandalone('locks');

beforeAll(() => {
  process.env['PATH'] = here().lab.env()['PATH'];
});

const wanted = (name: string, spec: object = {}) =>
  manifest(machine(name, { ...here().image, userData: '#cloud-config\n', ...spec }));

/** A change in place, so that there is something to wait for. */
function change(name: string, ...args: string[]) {
  return here().caplv.start(['apply', '-f', '-', ...args], { input: wanted(name, { autostart: true }) });
}

async function made(name: string): Promise<void> {
  const { exitCode, stderr } = await here().caplv.run(['apply', '-f', '-'], { input: wanted(name) });
  expect(exitCode, stderr).toBe(0);
}

async function conditionOf(name: string, type = 'DomainReady'): Promise<string> {
  const { status } = await here().machine(name);
  const found = status.conditions.find((one: { type: string }) => one.type === type);
  return `${found?.reason} ${found?.message}`;
}

/** Another process that has that lock; `of`: a process that it is extended to. */
async function holdLock(path: string, of: readonly string[] = []): Promise<ChildProcess & { pid: number }> {
  await mkdir(dirname(path), { recursive: true });
  const child = spawn(process.execPath, [HOLDER, path, ...of], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  if (child.stdout) await once(child.stdout, 'data');
  return child as ChildProcess & { pid: number };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function ends(running: ReturnType<typeof change>, name: string): Promise<void> {
  const { exitCode, stderr } = await running.result;
  expect(exitCode, stderr).toBe(0);
  expect(await conditionOf(name)).toMatch(/^(AsSpecified|NotStarted)/);
}

test('a command waits for another process that works on the machine, and names it', async (context) => {
  const name = 'workspace';
  await made(name);
  const holder = await holdLock(here().workspaceFile(name, 'caplv.lock'));
  const running = change(name);
  await expect
    .poll(() => conditionOf(name), SOON)
    .toMatch(
      new RegExp(`^StateLocked waiting for the lock of .+, process ${holder.pid} \\(apply, ${SINCE}\\)$`),
    );
  expect(await conditionOf(name, 'Ready')).toMatch(/^StateLocked /);
  holder.stdin?.end();
  await ends(running, name);
  record(context, {
    fault: 'a machine that another process works on',
    seen: 'the condition StateLocked names process, operation and time',
    outcome: 'waited for',
  });
});

describe('the lock under which terraform init runs', () => {
  const name = 'init';
  const path = () => here().workspaceFile(name, '.terraform/caplv-init.lock');

  test('is respected with its holder named, and released when the holder was killed', async (context) => {
    await made(name);
    const holder = await holdLock(path());
    const running = change(name, '--provider-mode=fork');
    await expect
      .poll(() => conditionOf(name), SOON)
      .toMatch(new RegExp(`^StateLocked waiting for the lock of .+, process ${holder.pid} \\(apply, `));
    await kill(holder);
    await ends(running, name);
    record(context, {
      fault: 'SIGKILL of a process that holds the init lock',
      seen: 'the condition StateLocked names process, operation and time',
      outcome: 'released',
    });
  });

  test('stays held while the init of a killed process still runs', async () => {
    const init = spawn('sleep', ['300'], { stdio: 'ignore' });
    onTestFinished(() => {
      init.kill('SIGKILL');
    });
    await kill(await holdLock(path(), [String(init.pid)]));
    await execa('rm', ['-rf', here().workspaceFile(name, '.terraform/providers')]);
    const running = here().caplv.start(['apply', '-f', '-', '--provider-mode=fork'], { input: wanted(name) });
    await expect
      .poll(() => conditionOf(name), SOON)
      .toMatch(new RegExp(`^StateLocked .* left running by a killed caplv \\(.+, process ${init.pid}\\)`));
    await kill(init);
    await ends(running, name);
  });
});

test('a machine waits for the lock of its image and names the holder; machines with other images do not wait', async () => {
  const name = 'image';
  const imageURI = join(here().directory, 'other.qcow2');
  await copyFile(here().image.imageURI, imageURI);
  const images = async () => (await here().stateFiles()).filter((file) => /^images\/.*\.tfstate$/.test(file));
  await made('image-before');
  const before = await images();
  const input = wanted(name, { imageURI });
  expect(await here().caplv.run(['apply', '-f', '-'], { input })).toMatchObject({ exitCode: 0 });
  const [state = ''] = (await images()).filter((file) => !before.includes(file) && !file.includes('history'));
  await here().caplv.read(['delete', 'machine', name]);

  const holder = await holdLock(join(here().stateDir, dirname(state), 'caplv.lock'));
  const running = here().caplv.start(['apply', '-f', '-'], { input });
  await expect
    .poll(() => conditionOf(name, 'HostReady').catch(() => ''), SOON)
    .toMatch(
      new RegExp(`^StateLocked waiting for the lock of .+, process ${holder.pid} \\(apply, ${SINCE}\\)$`),
    );
  await made('image-beside');
  await here().caplv.read(['delete', 'machine', 'image-beside']);
  expect(await conditionOf(name, 'HostReady')).toMatch(/^StateLocked /);
  holder.stdin?.end();
  await ends(running, name);
});

test("the lock of a user's own terraform is respected while it runs, and free after that was killed", async (context) => {
  const name = 'state';
  await made(name);
  const state = here().workspaceFile(name, 'terraform.tfstate');
  const theirs = await ownTerraform(state);
  const running = change(name);
  await expect
    .poll(() => conditionOf(name), SOON)
    .toMatch(new RegExp(`^StateLocked waiting for the lock of \\S+@\\S+ \\(apply, ${SINCE}\\)$`));
  await kill(theirs);
  // It had no time to take back what it wrote there.
  const info = join(dirname(state), '.terraform.tfstate.lock.info');
  expect(existsSync(info)).toBe(true);
  await ends(running, name);
  expect(existsSync(info)).toBe(false);
  record(context, {
    fault: 'SIGKILL of a terraform that holds the lock of a local state',
    seen: 'the condition StateLocked names it, its operation and the time',
    outcome: 'released by the kernel; the file that it left is removed by the next run',
  });
});

/** A terraform that has the lock of that state for as long as it runs, and would change nothing of ours. */
async function ownTerraform(state: string): Promise<ChildProcess> {
  const dir = await scratchDir();
  const env = { ...process.env, ...here().lab.env() } as Record<string, string>;
  const provisioner = [{ 'local-exec': { command: 'sleep 300' } }];
  const config = {
    terraform: { required_providers: { libvirt: { source: 'dmacvicar/libvirt', version: '0.8.3' } } },
    resource: { terraform_data: { held: { provisioner } } },
  };
  await writeFile(join(dir, 'main.tf.json'), JSON.stringify(config));
  await execa('terraform', ['init'], { cwd: dir, env });
  const args = ['apply', '-auto-approve', '-json', '-target=terraform_data.held', `-state=${state}`];
  const child = spawn('terraform', args, {
    cwd: dir,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    // With what it started.
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {}
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('provision_start')) break;
  }
  return child;
}
