/** Files and directories that only the user who runs caplv can read. */

import { chmod, lstat, mkdir, readFile } from 'node:fs/promises';
import { CaplvError, messageOf, outOfResources, TerminalError } from '../errors.ts';

/**
 * Makes a directory that only we can read, or gives one that is ours that mode.
 * @throws TerminalError StateDirNotWritable, also for one that others could have prepared: see `requireOwnDirectory`
 */
export async function makePrivateDir(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await requireOwnDirectory(dir);
    await chmod(dir, 0o700);
  } catch (cause) {
    if (cause instanceof CaplvError) throw cause;
    throw (
      outOfResources(cause) ??
      new TerminalError({
        code: 'StateDirNotWritable',
        message: `The directory ${dir} cannot be made or is not ours: ${messageOf(cause)}`,
        fix: 'name another directory with --state-dir, or make this one writable for the user that runs caplv',
        cause,
      })
    );
  }
}

const BY_SETTINGS =
  ': --state-dir (CAPLV_STATE_DIR), TMPDIR for temporary files, XDG_CACHE_HOME for the cache';

/**
 * Refuses a directory in which another user could place or exchange files: one that belongs to somebody else, that others may
 * write to, or that is a symbolic link. In a shared directory, as /tmp, anybody can have made it before us.
 * @param named how another directory is named, for the fix
 * @throws TerminalError StateDirNotWritable
 */
export async function requireOwnDirectory(dir: string, named = BY_SETTINGS): Promise<void> {
  const found = await lstat(dir);
  const refuse = (why: string, fix: string) => {
    throw new TerminalError({
      code: 'StateDirNotWritable',
      message: `${dir} ${why}: caplv keeps states and user data only where nobody else can exchange them`,
      fix: `${fix}, or name another directory${named}`,
    });
  };
  if (found.isSymbolicLink())
    refuse(
      'is a symbolic link',
      `name the directory it leads to (readlink -f ${dir}) if it is yours, else remove the link`,
    );
  if (!found.isDirectory()) refuse('is not a directory', `remove it (rm ${dir})`);
  const us = process.getuid?.();
  if (us !== undefined && found.uid !== us)
    refuse(`belongs to user ${found.uid}, and this is user ${us}`, 'run caplv as the user it belongs to');
  if (found.mode & 0o022)
    refuse('can be written to by other users', `chmod go-w ${dir} once you know that all in it is yours`);
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
