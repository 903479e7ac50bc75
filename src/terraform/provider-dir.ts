/**
 * Temporary directory of a provider process: its socket, and what it writes before it uploads it. A shell removes it after the
 * provider; where both were killed at once, as in a power failure, the next provider's start does.
 */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostedProcess, identify, isGone, thisProcess } from './process-identity.ts';

const PREFIX = 'caplv-provider-';
const OWNER = 'owner';

export async function makeProviderDir(): Promise<string> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX));
  await Promise.all(names.map((name) => removeIfLeft(join(tmpdir(), name))));
  return mkdtemp(join(tmpdir(), PREFIX));
}

/** From now on the directory is that of process `pid`. */
export async function giveTo(pid: number, dir: string): Promise<void> {
  await writeFile(join(dir, OWNER), JSON.stringify({ ...thisProcess(), ...identify(pid) }), { mode: 0o600 });
}

/** Without an owner it is being made; another user's is his. */
async function removeIfLeft(dir: string): Promise<void> {
  try {
    const owner = JSON.parse(await readFile(join(dir, OWNER), 'utf8')) as HostedProcess;
    if (isGone(owner)) await rm(dir, { recursive: true, force: true });
  } catch {
    // Costs a few bytes in a temporary directory.
  }
}
