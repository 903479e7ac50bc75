/** Directories for images that are converted. One that a killed process left is removed by the next conversion. */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, runs } from '../../system/process-identity.ts';

const PREFIX = 'caplv-image-';

/** Makes a directory that only this user can read; the caller removes it. */
export async function makeImageScratch(): Promise<string> {
  await removeLeft();
  const { pid, startTime = '' } = identify(process.pid);
  return mkdtemp(join(tmpdir(), `${PREFIX}${pid}.${startTime}.`));
}

async function removeLeft(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX));
  for (const name of names) {
    const [pid = '', startTime] = name.slice(PREFIX.length).split('.');
    if (!/^\d+$/.test(pid) || runs({ pid: Number(pid), ...(startTime && { startTime }) })) continue;
    // Another user's is his to remove.
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
}
