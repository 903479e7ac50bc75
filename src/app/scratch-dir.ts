/**
 * Where Terraform runs of this process: new for each, since what a killed one left is of no use to anyone. It may hold user
 * data, so the next process removes it. But for one thing: a state that Terraform could not save, since the API server was
 * away, is nowhere else. The next process takes it over, and saves it before anything else happens to that machine.
 */

import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { isLockHeld } from '../system/file-lock.ts';
import { makePrivateDir } from '../system/private-files.ts';
import { ERRORED_STATE } from '../terraform/workspace.ts';
import { processName } from './leader-identity.ts';

const PREFIX = 'caplv-';

/** How often it is asked whether the terraform that outlived a killed caplv has ended. */
const AGAIN_MS = 60_000;

export class WorkDir {
  readonly path: string;
  readonly #isGone: (name: string) => boolean;
  #again: NodeJS.Timeout | undefined;

  private constructor(path: string, isGone: (name: string) => boolean) {
    this.path = path;
    this.#isGone = isGone;
  }

  /** `isGone`: whether the process of that name (see leader-identity.ts) is. Throws TerminalError StateDirNotWritable. */
  static async make(isGone: (name: string) => boolean): Promise<WorkDir> {
    // A command of the same process may have made it already.
    const dir = new WorkDir(join(tmpdir(), PREFIX + processName()), isGone);
    await makePrivateDir(dir.path);
    await dir.#takeOver();
    return dir;
  }

  /** At the end of the process. A state that could not be saved stays, for the next. Returns the files of those. */
  async remove(): Promise<string[]> {
    await this.#takeOver();
    clearTimeout(this.#again);
    const unsaved = await unsavedStates(this.path);
    if (unsaved.length === 0) await rm(this.path, { recursive: true, force: true });
    return unsaved;
  }

  /** What processes that are gone have left; later, where a terraform of theirs still works. */
  async #takeOver(): Promise<void> {
    clearTimeout(this.#again);
    this.#again = undefined;
    for (const entry of await readdir(tmpdir())) {
      if (!entry.startsWith(PREFIX) || !this.#isGone(entry.slice(PREFIX.length))) continue;
      const dir = join(tmpdir(), entry);
      if ((await ownerOf(dir)) !== process.getuid?.()) continue;
      if (await isFree(dir)) {
        for (const file of await unsavedStates(dir)) await move(file, join(this.path, relative(dir, file)));
        await rm(dir, { recursive: true, force: true });
      } else {
        this.#again ??= setTimeout(() => void this.#takeOver().catch(() => {}), AGAIN_MS).unref();
      }
    }
  }
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

/** Undefined: another process has removed it meanwhile. */
async function ownerOf(dir: string): Promise<number | undefined> {
  return (await lstat(dir).catch(() => undefined))?.uid;
}

/** No terraform that outlived its caplv works there. */
async function isFree(dir: string): Promise<boolean> {
  const files = await readdir(dir, { recursive: true }).catch(() => []);
  const locks = files.filter((file) => /^caplv(-init)?\.lock$/.test(basename(file)));
  const held = await Promise.all(locks.map((lock) => isLockHeld(join(dir, lock))));
  return !held.includes(true);
}
