/** Verifies that terraform ends properly when its caplv is killed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunEvent } from '../../src/terraform/run-events.ts';
import { heldUp, providerOnly, realTerraform, uniqueName, useLab, volumeStack } from './real-terraform.ts';
import { scratchDir } from './scratch.ts';

const host = useLab('terraform-kill');

interface ProcessInfo {
  readonly type: 'provider';
  readonly pid: number;
}

/** Another caplv, in its own process group as a shell would start it, up to the event that `until` wants. */
async function applyElsewhere(dir: string, config: object, until: (event: RunEvent) => boolean) {
  const file = join(dir, '..', `${uniqueName()}.json`);
  await writeFile(file, JSON.stringify(config));
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'apply-process.ts'), dir, host().uri, file],
    {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const exited = once(child, 'exit');
  let provider = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as RunEvent | ProcessInfo;
    if (event.type === 'provider') provider = event.pid;
    else if (until(event)) break;
  }
  return { pid: child.pid as number, provider, exited };
}

/** Waits for the end of a process that is not our child. */
async function gone(pid: number): Promise<void> {
  await execa('tail', ['--pid', String(pid), '--sleep-interval=0.02', '-f', '/dev/null']);
}

async function temporaryDirOf(pid: number): Promise<string> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
  return /(?:^|\0)TMPDIR=([^\0]+)/.exec(environment)?.[1] ?? '';
}

async function heldUpStack(dir: string) {
  const fifo = join(dir, 'fifo');
  await execa('mkfifo', [fifo]);
  const name = uniqueName();
  // The volume comes after the gate: it is created only after the caplv that started the run has ended.
  return { fifo, name, config: volumeStack(host(), { name, resource: heldUp(fifo) }) };
}

const gateStarted = (event: RunEvent) => event.type === 'started' && event.address === 'terraform_data.gate';

describe('a caplv that is killed in the middle of an apply', { timeout: 60_000 }, () => {
  test('does not take its terraform along: the run ends properly and its state is whole', async () => {
    const dir = await scratchDir();
    const { fifo, name, config } = await heldUpStack(dir);
    const workspace = { dir: join(dir, 'w') };
    const caplv = await applyElsewhere(workspace.dir, config, gateStarted);
    const temporaryDir = await temporaryDirOf(caplv.provider);
    const { run } = JSON.parse(await readFile(join(workspace.dir, 'caplv.lock'), 'utf8'));
    process.kill(caplv.pid, 'SIGKILL');
    await caplv.exited;

    // Nobody starts a second run beside it.
    const terraform = await realTerraform();
    const options = { providerKey: host().uri };
    await expect(terraform.plan(workspace, config, { ...options, lockTimeoutMs: 0 })).rejects.toMatchObject({
      code: 'StateLocked',
      message: expect.stringContaining('left running by a killed caplv'),
    });

    await writeFile(fifo, 'go\n');
    await gone(run.pid);
    const state = await terraform.state(workspace);
    expect(state?.resources.map(({ address }) => address)).toEqual([
      'libvirt_volume.v',
      'terraform_data.gate',
    ]);
    expect(state?.resources[0]?.attributes).toMatchObject({ name });

    // The provider goes when the last run that used it has gone, with all its temporary files.
    await gone(caplv.provider);
    await expect.poll(() => readFile(temporaryDir).catch((error) => error.code)).toBe('ENOENT');

    // The next caplv finds everything in order.
    expect(await terraform.plan(workspace, config, options)).toMatchObject({ action: 'none' });
    await terraform.destroy(workspace, providerOnly(host()), options);
  });

  test('Ctrl-C reaches neither terraform nor provider', async () => {
    const dir = await scratchDir();
    const { fifo, config } = await heldUpStack(dir);
    const workspace = { dir: join(dir, 'w') };
    const caplv = await applyElsewhere(workspace.dir, config, gateStarted);
    const { run } = JSON.parse(await readFile(join(workspace.dir, 'caplv.lock'), 'utf8'));
    // As a terminal does it: to the whole process group.
    process.kill(-caplv.pid, 'SIGINT');
    await caplv.exited;
    await writeFile(fifo, 'go\n');
    await gone(run.pid);
    const terraform = await realTerraform();
    const options = { providerKey: host().uri };
    expect(await terraform.plan(workspace, config, options)).toMatchObject({ action: 'none' });
    await terraform.destroy(workspace, providerOnly(host()), options);
  });
});

test('a caplv that just ends leaves no provider behind', { timeout: 60_000 }, async () => {
  const dir = await scratchDir();
  const workspace = { dir: join(dir, 'w') };
  const caplv = await applyElsewhere(
    workspace.dir,
    volumeStack(host(), { name: uniqueName() }),
    ({ type }) => type === 'completed',
  );
  expect(await caplv.exited).toEqual([0, null]);
  await gone(caplv.provider);
  const terraform = await realTerraform();
  await terraform.destroy(workspace, providerOnly(host()), { providerKey: host().uri });
});
