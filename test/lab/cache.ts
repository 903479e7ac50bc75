/** Caches what is slow to download or build. */

import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** Keeps slow downloads and builds outside of the work tree; setup.sh uses the same directory. */
export function cacheDirectory(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'caplv');
}

/**
 * Path of the cached directory `name`, made by `build` in a scratch directory when it is not there yet. Safe under
 * concurrency: the directory appears whole; of two builders at the same time the second one's work is dropped.
 */
export async function cached(name: string, build: (directory: string) => Promise<void>): Promise<string> {
  const path = join(cacheDirectory(), name);
  if (await exists(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  const scratch = await mkdtemp(join(dirname(path), `.${basename(path)}-`));
  try {
    await build(scratch);
    await rename(scratch, path);
  } catch (error) {
    if (!(await exists(path))) throw error;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return path;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
