/** Makes directories and settings that end with a test. */

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

type Finished = (clean: () => Promise<void>) => void;

/** A directory of the running test's own; removed when it has finished. A concurrent test gives the hook of its own context. */
export async function scratchDir(finished: Finished = onTestFinished): Promise<string> {
  return removedAtEnd(tmpdir(), finished);
}

/** The same in memory, where there is such a place: a store syncs each file to the disk, which says nothing of what is tested over it. */
export async function memoryDir(finished: Finished = onTestFinished): Promise<string> {
  return removedAtEnd(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), finished);
}

async function removedAtEnd(parent: string, finished: Finished): Promise<string> {
  const dir = await mkdtemp(join(parent, 'caplv-test-'));
  finished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Sets variables of the environment for the running test. `undefined` removes one. */
export function setEnv(variables: Readonly<Record<string, string | undefined>>): void {
  const before = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]));
  assign(variables);
  onTestFinished(() => assign(before));
}

function assign(variables: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}
