/**
 * Temporary directory of a provider process: its socket, and what it writes before it uploads it. A shell removes it after the
 * provider; where both were killed at once, as in a power failure, the next provider's start does. Where only the shell was, nobody is
 * left to end the provider once those who use it are gone: the next start does that, too.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { lstat, mkdtemp, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { writeWhole } from '../../system/atomic-file.ts';
import {
  type HostedProcess,
  identify,
  isGone,
  type ProcessIdentity,
  parentOf,
  runs,
  thisProcess,
} from '../../system/process-identity.ts';

const PREFIX = 'caplv-provider-';
const OWNER = 'owner';

export async function makeProviderDir(): Promise<string> {
  await collectProviders();
  // Short: the path of a socket in it has to fit into 108 bytes.
  const { pid, startTime = '' } = identify(process.pid);
  return mkdtemp(join(tmpdir(), `${PREFIX}${pid}.${startTime}.`));
}

/** From now on the directory is that of process `pid`, which this process has started. */
export async function giveTo(pid: number, dir: string): Promise<void> {
  const { pid: starter, startTime: starterTime } = identify(process.pid);
  const owner: Owner = {
    ...thisProcess(),
    ...identify(pid),
    starter: { pid: starter, ...(starterTime !== undefined && { startTime: starterTime }) },
  };
  await writeWhole(join(dir, OWNER), JSON.stringify(owner));
}

/** Removes what providers left that are gone, and ends those that nobody will. */
export async function collectProviders(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX));
  await Promise.all(names.map((name) => removeIfLeft(join(tmpdir(), name))));
}

/** The provider, with the process that started it. */
interface Owner extends HostedProcess {
  readonly starter?: ProcessIdentity;
}

/** Without an owner its maker is at work, or was killed before there was anything in it; another user's is his. */
async function removeIfLeft(dir: string): Promise<void> {
  try {
    const text = await readFile(join(dir, OWNER), 'utf8').catch(() => undefined);
    if (text === undefined) {
      if (!runs(makerOf(dir))) await rmdir(dir);
      return;
    }
    const owner = JSON.parse(text) as Owner;
    if (await isAbandoned(owner, dir)) process.kill(owner.pid, 'SIGKILL');
    else if (!isGone(owner)) return;
    await rm(dir, { recursive: true, force: true });
  } catch {
    // Costs a few bytes in a temporary directory.
  }
}

/**
 * True if who started the provider is gone, and the shell that would end it, and no terraform uses it. That shell is its only child: it
 * waits for the end of the last run, also of one whose caplv was killed.
 */
async function isAbandoned(owner: Owner, dir: string): Promise<boolean> {
  const { starter } = owner;
  if (starter === undefined || isGone(owner) || !isGone({ ...owner, ...starter })) return false;
  // What the file says is taken for true only where the process says the same.
  const isOurs = (await lstat(dir)).uid === process.getuid?.();
  if (!isOurs || !environmentOf(owner.pid).split('\0').includes(`TMPDIR=${dir}`)) return false;
  return !processes().some((pid) => parentOf(pid) === owner.pid || environmentOf(pid).includes(`${dir}/`));
}

function processes(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? Number(name) : []));
}

/** Empty of a process of another user, who cannot reach the socket of ours. */
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}

function makerOf(dir: string): ProcessIdentity {
  const [pid, startTime] = basename(dir).slice(PREFIX.length).split('.');
  return { pid: Number(pid), ...(startTime && { startTime }) };
}
