/** Files and directories that only the user who runs caplv can read. */

import { chmod, mkdir, readFile } from 'node:fs/promises';
import { outOfResources, TerminalError } from '../errors.ts';

/**
 * Makes a directory that only we can read.
 * @throws TerminalError StateDirNotWritable
 */
export async function makePrivateDir(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await chmod(dir, 0o700);
  } catch (cause) {
    throw (
      outOfResources(cause) ??
      new TerminalError({
        code: 'StateDirNotWritable',
        message: `The directory ${dir} cannot be made or is not ours: ${(cause as Error).message}`,
        fix: 'name another directory with --state-dir, or make this one writable for the user that runs caplv',
        cause,
      })
    );
  }
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
