/**
 * Verifies that the controller recovers when its machine runs out of file descriptors, memory or disk space, or its clock
 * jumps.
 */

import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess, PROGRAM } from '../cluster/controller-process.ts';
import { record } from './record.ts';
import { SlowImage } from './slow-image.ts';

const SOON = { timeout: 100_000, interval: 200 };
/** Of Debian's package libfaketime. */
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

let lab: ClusterLab;
let controller: ControllerProcess;
/** The controller's temporary directory, a file system of its own. */
let scratch: string;
/** How far the controller's clock is ahead, as libfaketime reads it. */
let clock: string;

beforeAll(async () => {
  lab = await ClusterLab.up('world-self');
  scratch = join(lab.lab.directory, 'scratch');
  clock = join(lab.lab.directory, 'clock');
  await mkdir(scratch);
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'caplv-test', scratch]);
  await setClock('+0');
  controller = await ControllerProcess.start({
    ...lab.env(),
    TMPDIR: scratch,
    LD_PRELOAD: FAKETIME,
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: '1',
    DONT_FAKE_MONOTONIC: '1',
  });
  await lab.apply(lab.machine('old'));
  await becomes('old', 'True AsSpecified');
});

afterAll(async () => {
  await controller?.stop();
  await execa('umount', [scratch], { reject: false });
  await lab?.down();
  // For example a file that was left open.
  expect(controller?.lines.filter(({ message }) => message === 'Node warns')).toEqual([]);
});

test('the controller has no file descriptors left: it says so, and continues when there are some', async (context) => {
  const pid = String(controller.child.pid);
  const { stdout: limit } = await execa('prlimit', [
    '--pid',
    pid,
    '--nofile',
    '--output=SOFT',
    '--noheadings',
  ]);
  const open = (await readdir(`/proc/${pid}/fd`)).length;
  await execa('prlimit', ['--pid', pid, `--nofile=${open + 1}:`]);
  try {
    await lab.apply(lab.machine('descriptors'));
    await becomes('descriptors', 'False OutOfResources');
    expect(await lab.ready('old')).toBe('True AsSpecified');
  } finally {
    await execa('prlimit', ['--pid', pid, `--nofile=${limit.trim()}:`]);
  }
  await isMadeAndGoes('descriptors');
  record(context, {
    fault: 'controller out of file descriptors',
    seen: 'Ready False OutOfResources',
    outcome: 'the machine is made when there are some again',
  });
});

test('terraform is killed for lack of memory: the condition names it, and the machine is created', async (context) => {
  const image = await SlowImage.serve(lab.lab.imagePath);
  try {
    await lab.apply(lab.machine('memory', { imageURI: image.url }));
    await image.halfSent();
    for (const pid of await terraforms()) process.kill(pid, 'SIGKILL');
    image.sendRest();
    await becomes('memory', 'False TerraformError');
    const ready = (await lab.get('memory'))?.status?.conditions?.find(({ type }) => type === 'Ready');
    expect(ready?.message).toContain('memory');
    await isMadeAndGoes('memory');
  } finally {
    image.close();
  }
  record(context, {
    fault: 'terraform killed (SIGKILL, as for memory) in the middle of an upload',
    seen: 'Ready False TerraformError, which says that a signal ended it, often for memory',
    outcome: 'its lock is released, what it left is removed, and the machine made',
  });
});

test('the temporary directory is full: the condition names it, and the machine is created when there is space', async (context) => {
  const filler = join(scratch, 'filler');
  await fill(filler);
  await lab.apply(lab.machine('space'));
  await becomes('space', 'False OutOfResources');
  await rm(filler);
  await isMadeAndGoes('space');
  record(context, {
    fault: 'temporary directory of the controller full',
    seen: 'Ready False OutOfResources',
    outcome: 'the machine is made when there is space',
  });
});

describe.each(['+3600s', '+0'])('the clock jumps by an hour (to %s)', (offset) => {
  test('the controller stays the leader, replaces nothing, and creates new machines', async (context) => {
    const uuid = await lab.virsh('domuuid', 'default.old');
    await setClock(offset);
    await isMadeAndGoes('clock');
    await becomes('old', 'True AsSpecified');
    expect(await lab.virsh('domuuid', 'default.old')).toBe(uuid);
    expect(controller.child.exitCode).toBeNull();
    record(context, {
      fault: `the controller's clock jumps ${offset === '+0' ? 'back' : 'ahead'} by an hour`,
      seen: '—',
      outcome: 'it goes on leading; nothing is replaced',
    });
  });
});

test('caplv apply: the disk of the state directory is full', async (context) => {
  const CAPLV_STATE_DIR = join(scratch, 'state');
  const env = { ...lab.lab.env(), CAPLV_STATE_DIR };
  const caplv = (...args: readonly string[]) =>
    execa(process.execPath, [PROGRAM, ...args], {
      env,
      reject: false,
      input: JSON.stringify(lab.machine('local')),
    });
  const filler = join(scratch, 'filler');
  await fill(filler);
  const refused = await caplv('apply', '-f', '-');
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('[OutOfResources]') });
  await rm(filler);
  expect(await caplv('apply', '-f', '-')).toMatchObject({ exitCode: 0 });
  expect((await lab.host()).domains).toContain('default.local');
  expect(await caplv('delete', 'machine', 'local', '--now')).toMatchObject({ exitCode: 0 });
  expect((await lab.host()).domains).toEqual(['default.old']);
  record(context, {
    fault: 'disk of the state directory full',
    seen: '`caplv apply` ends with OutOfResources',
    outcome: 'the same call makes the machine when there is space',
  });
});

async function isMadeAndGoes(name: string): Promise<void> {
  await lab.apply(lab.machine(name, (await lab.get(name))?.spec.providerSpec as object | undefined));
  await becomes(name, 'True AsSpecified');
  await lab.kubectl('delete', 'machine', name);
  const { domains, volumes } = await lab.host();
  expect(domains).toEqual(['default.old']);
  expect(volumes.filter((volume) => volume.startsWith('default.') && !volume.includes('old'))).toEqual([]);
}

async function becomes(name: string, ready: string): Promise<void> {
  await vi.waitFor(async () => expect(await lab.ready(name)).toBe(ready), SOON);
}

async function setClock(offset: string): Promise<void> {
  await writeFile(clock, `${offset}\n`);
}

/** Fills the file system to its last byte. */
async function fill(path: string): Promise<void> {
  await execa('sh', ['-c', 'cat /dev/zero >"$0" 2>/dev/null || true', path]);
}

/** Process ids of the controller's terraform runs. */
async function terraforms(): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await readdir('/proc')) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    if (cwd.startsWith(scratch) && /^(terraform|tofu)\n$/.test(name)) found.push(Number(pid));
  }
  return found;
}
