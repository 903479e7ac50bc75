/**
 * Where Terraform runs of this process: new for each, since what a killed one left is of no use to anyone. It may hold user
 * data, so the next process removes it.
 */

import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { isLockHeld } from '../terraform/lock.ts';
import { processName } from './process-name.ts';

const PREFIX = 'caplv-';

/** `isGone`: whether the process of that name (see process-name.ts) is. */
export async function makeWorkDir(isGone: (name: string) => boolean): Promise<string> {
  for (const entry of await readdir(tmpdir())) {
    const dir = join(tmpdir(), entry);
    if (entry.startsWith(PREFIX) && isGone(entry.slice(PREFIX.length)) && (await isFree(dir))) {
      await rm(dir, { recursive: true, force: true });
    }
  }
  // A command of the same process may have made it already.
  const dir = join(tmpdir(), PREFIX + processName());
  await mkdir(dir, { recursive: true, mode: 0o700 });
  return dir;
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
