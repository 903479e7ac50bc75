/**
 * Temporary directory of a provider process: its socket, and what it writes before it uploads it. A shell removes it after the
 * provider; where both were killed at once, as in a power failure, the next provider's start does.
 */

import { mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  type HostedProcess,
  identify,
  isGone,
  type ProcessIdentity,
  runs,
  thisProcess,
} from '../../system/process-identity.ts';

const PREFIX = 'caplv-provider-';
const OWNER = 'owner';

export async function makeProviderDir(): Promise<string> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX));
  await Promise.all(names.map((name) => removeIfLeft(join(tmpdir(), name))));
  // Short: the path of a socket in it has to fit into 108 bytes.
  const { pid, startTime = '' } = identify(process.pid);
  return mkdtemp(join(tmpdir(), `${PREFIX}${pid}.${startTime}.`));
}

/** From now on the directory is that of process `pid`. */
export async function giveTo(pid: number, dir: string): Promise<void> {
  await writeFile(join(dir, OWNER), JSON.stringify({ ...thisProcess(), ...identify(pid) }), { mode: 0o600 });
}

/** Without an owner its maker is at work, or was killed before there was anything in it; another user's is his. */
async function removeIfLeft(dir: string): Promise<void> {
  try {
    const text = await readFile(join(dir, OWNER), 'utf8').catch(() => undefined);
    if (text === undefined) {
      if (!runs(makerOf(dir))) await rmdir(dir);
    } else if (isGone(JSON.parse(text) as HostedProcess)) await rm(dir, { recursive: true, force: true });
  } catch {
    // Costs a few bytes in a temporary directory.
  }
}

function makerOf(dir: string): ProcessIdentity {
  const [pid, startTime] = basename(dir).slice(PREFIX.length).split('.');
  return { pid: Number(pid), ...(startTime && { startTime }) };
}
