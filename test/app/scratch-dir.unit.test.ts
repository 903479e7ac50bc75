/** Verifies that a scratch directory with an unsaved state survives its process. */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { WorkDir } from '../../src/app/scratch-dir.ts';
import { Lock } from '../../src/system/file-lock.ts';

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'work-dir-'));
  vi.stubEnv('TMPDIR', parent);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(parent, { recursive: true });
});

const MACHINE = join('cluster', 'runs', 'caplv', 'default', 'web');

async function leave(process: string): Promise<void> {
  await mkdir(join(parent, `caplv-${process}`, MACHINE), { recursive: true });
  await writeFile(join(parent, `caplv-${process}`, MACHINE, 'errored.tfstate'), 'what it made');
  await writeFile(join(parent, `caplv-${process}`, MACHINE, 'cdk.tf.json'), 'user data');
}

it('a state that a killed process could not save is taken over, and nothing else of it', async () => {
  await leave('killed');
  await leave('running');
  const { path: own } = await WorkDir.make((name) => name === 'killed');
  expect(await readdir(join(own, MACHINE))).toEqual(['errored.tfstate']);
  expect(await readFile(join(own, MACHINE, 'errored.tfstate'), 'utf8')).toBe('what it made');
  expect(existsSync(join(parent, 'caplv-killed'))).toBe(false);
  expect(await readdir(join(parent, 'caplv-running', MACHINE))).toHaveLength(2);
});

it('a process that stops leaves its directory only if a state in it is saved nowhere else', async () => {
  const dir = await WorkDir.make(() => false);
  await mkdir(join(dir.path, MACHINE), { recursive: true });
  const file = join(dir.path, MACHINE, 'errored.tfstate');
  await writeFile(file, '{}');
  expect(await dir.remove()).toEqual([file]);
  await rm(file);
  expect(await dir.remove()).toEqual([]);
  expect(existsSync(dir.path)).toBe(false);
});

it('a directory in which the terraform of a killed process still works goes when that has ended', async () => {
  await leave('killed');
  const lock = await Lock.acquire(join(parent, 'caplv-killed', MACHINE, 'caplv.lock'), {
    operation: 'apply',
    timeoutMs: 0,
  });
  const own = await WorkDir.make((name) => name === 'killed');
  expect(existsSync(join(parent, 'caplv-killed'))).toBe(true);
  await lock.release();
  expect(await own.remove()).toEqual([join(own.path, MACHINE, 'errored.tfstate')]);
  expect(existsSync(join(parent, 'caplv-killed'))).toBe(false);
});
