/**
 * Files that are there whole or not at all; all but those of `writeWhole` also after the machine lost power: the content is on the
 * disk before it has its name.
 */

import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces the file at `path`, mode 0600. Its directory must exist. Readers see the old or the new content, never a part; once
 * this returns it stays the new one. Two writers at once need a lock. Throws the error of the system call that failed; the old file is then still there.
 */
export async function writeAtomically(path: string, content: string): Promise<void> {
  await replaceFile(path, content, { durable: true });
  await sync(dirname(path));
}

/** As `writeAtomically`, but power that fails may take the content: for what is made again when it is needed. */
export async function writeWhole(path: string, content: string): Promise<void> {
  await replaceFile(path, content, { durable: false });
}

/**
 * Makes the file at `path`, mode 0600; returns false, and changes nothing, where there is one. Needs no lock. Power that fails may
 * take the file, as it takes the process that a lock stands for: see `syncFile`.
 */
export async function createAtomically(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}.draft`;
  try {
    await fill(await openNew(draft), content, { durable: true });
    await link(draft, path);
    return true;
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    return false;
  } finally {
    await removeIfThere(draft);
  }
}

/** Removes a file, if it is there; once this returns it does not come back. */
export async function removeDurably(path: string): Promise<void> {
  await removeIfThere(path);
  await sync(dirname(path));
}

/** Gives a file another name in the same directory, for good. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await sync(dirname(to));
}

/** Has what another program wrote to a file brought to the disk. A file that is not there is no error. */
export async function syncFile(path: string): Promise<void> {
  await sync(path);
  await sync(dirname(path));
}

interface Durability {
  /** The content is on the disk before it has its name. */
  readonly durable: boolean;
}

async function replaceFile(path: string, content: string, durability: Durability): Promise<void> {
  const draft = `${path}.draft`;
  const file = await openNew(draft).catch(async (error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
    // Left by a process that was killed.
    await unlink(draft);
    return openNew(draft);
  });
  try {
    await fill(file, content, durability);
    await rename(draft, path);
  } catch (error) {
    await removeIfThere(draft);
    throw error;
  }
}

/** Opens it for writing. Exclusive: whatever lies there by that name is not ours, and a symbolic link is not followed. */
function openNew(draft: string): Promise<FileHandle> {
  return open(draft, 'wx', 0o600);
}

/** Writes the content and closes the file. */
async function fill(file: FileHandle, content: string, { durable }: Durability): Promise<void> {
  try {
    await file.writeFile(content);
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
}

/** Removes a file. One call of the system, where `rm` of Node asks first what it is. */
async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error;
  });
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r').catch((error: unknown) => {
    // Removed meanwhile, as after a deletion.
    if (!hasCode(error, 'ENOENT')) throw error;
  });
  if (!file) return;
  try {
    await file.sync();
  } catch (error) {
    // Some file systems cannot do that with a directory, and have nothing better to offer.
    if (!hasCode(error, 'EINVAL')) throw error;
  } finally {
    await file.close();
  }
}

function hasCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}
