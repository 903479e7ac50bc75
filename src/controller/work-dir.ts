/**
 * Where Terraform runs of this process: new for each, since what a killed one left is of no use to anyone. It may hold user
 * data, so the next process removes it. But for one thing: a state that Terraform could not save, since the API server was
 * away, is nowhere else. The next process takes it over, and saves it before anything else happens to that machine.
 */

import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { isLockHeld } from '../terraform/lock.ts';
import { ERRORED_STATE } from '../terraform/workspace.ts';
import { processName } from './process-name.ts';

const PREFIX = 'caplv-';

/** `isGone`: whether the process of that name (see process-name.ts) is. */
export async function makeWorkDir(isGone: (name: string) => boolean): Promise<string> {
  // A command of the same process may have made it already.
  const own = join(tmpdir(), PREFIX + processName());
  await mkdir(own, { recursive: true, mode: 0o700 });
  for (const entry of await readdir(tmpdir())) {
    const dir = join(tmpdir(), entry);
    if (entry.startsWith(PREFIX) && isGone(entry.slice(PREFIX.length)) && (await isFree(dir))) {
      for (const file of await unsavedStates(dir)) await move(file, join(own, relative(dir, file)));
      await rm(dir, { recursive: true, force: true });
    }
  }
  return own;
}

/** At the end of the process. A state that could not be saved stays, for the next. Returns the files of those. */
export async function removeWorkDir(dir: string): Promise<string[]> {
  const unsaved = await unsavedStates(dir);
  if (unsaved.length === 0) await rm(dir, { recursive: true, force: true });
  return unsaved;
}

async function unsavedStates(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && entry.name === ERRORED_STATE)
    .map(({ parentPath, name }) => join(parentPath, name));
}

async function move(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await rename(from, to);
}

/** It is ours, and no terraform that outlived its caplv works there. */
async function isFree(dir: string): Promise<boolean> {
  const { uid } = await lstat(dir);
  if (uid !== process.getuid?.()) return false;
  const files = await readdir(dir, { recursive: true });
  const locks = files.filter((file) => /^caplv(-init)?\.lock$/.test(basename(file)));
  const held = await Promise.all(locks.map((lock) => isLockHeld(join(dir, lock))));
  return !held.includes(true);
}
