/** Locks a file between processes; the lock of a process that has ended is taken over. */

import { randomUUID } from 'node:crypto';
import { mkdir, readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TerminalError } from '../errors.ts';
import { createAtomically, writeAtomically } from './atomic-file.ts';
import { type LockHolder, StateLockedError } from './lock-holder.ts';
import {
  type HostedProcess,
  identify,
  isGone,
  type ProcessIdentity,
  thisProcess,
} from './process-identity.ts';

/** Contents of a lock file. */
interface Ticket extends HostedProcess {
  /** Distinguishes two locks of one process. */
  readonly token: string;
  readonly operation: string;
  readonly since: string;
  /** The terraform that runs under this lock; it outlives a killed holder and so does the lock. */
  readonly run?: ProcessIdentity;
}

export interface AcquireOptions {
  /** What the lock is for, as shown to those who wait, for example `apply`. */
  readonly operation: string;
  /** How long to wait for another holder. */
  readonly timeoutMs: number;
  /** Called once for each holder that is waited for. */
  readonly onWaiting?: (holder: LockHolder) => void;
}

/** How long to wait for others, unless the caller says otherwise. */
export const LOCK_TIMEOUT_MS = 60_000;

/** Waiting is rare and short: 20 stats a second cost nothing that could be measured. */
const POLL_MS = 50;

/**
 * An exclusive lock: a file that names its holder. Links and renames are atomic, so there is never a half-written
 * lock. It is taken over only if its holder provably is gone: on the same boot of the same host, and neither the
 * process nor the terraform that it started runs.
 */
export class Lock {
  readonly #path: string;
  #ticket: Ticket;

  private constructor(path: string, ticket: Ticket) {
    this.#path = path;
    this.#ticket = ticket;
  }

  /**
   * @param path of the lock file
   * @throws StateLockedError (TransientError) that names the holder when it was not free in time
   */
  static async acquire(path: string, options: AcquireOptions): Promise<Lock> {
    const ticket: Ticket = {
      ...thisProcess(),
      token: randomUUID(),
      operation: options.operation,
      since: new Date().toISOString(),
    };
    // Free as a rule: then nothing need be read.
    if (await tryCreate(path, ticket)) return new Lock(path, ticket);
    const deadline = performance.now() + options.timeoutMs;
    let announced: string | undefined;
    for (;;) {
      const other = await read(path);
      if (other === undefined) {
        if (await tryCreate(path, ticket)) return new Lock(path, ticket);
        continue;
      }
      if (isStale(other)) {
        if (await takeOver(path, other, ticket)) return new Lock(path, ticket);
        continue;
      }
      const holder = describe(other);
      if (performance.now() >= deadline) throw locked(path, holder);
      if (announced !== other.token) {
        announced = other.token;
        options.onWaiting?.(holder);
      }
      await delay(Math.min(POLL_MS, Math.max(1, deadline - performance.now())));
    }
  }

  /** The lock lives as long as this child of ours too, should we be killed. */
  async extendTo(pid: number): Promise<void> {
    this.#ticket = { ...this.#ticket, run: identify(pid) };
    await replace(this.#path, this.#ticket);
  }

  async release(): Promise<void> {
    // Someone who followed our advice may have removed it, and another may have it since.
    if ((await read(this.#path))?.token === this.#ticket.token) await unlink(this.#path);
  }
}

/** Returns true if that lock is held by a process that is not provably gone. */
export async function isLockHeld(path: string): Promise<boolean> {
  const ticket = await read(path);
  return ticket !== undefined && !isStale(ticket);
}

/** Makes the directory of the lock, too. Returns false where there is a lock, or where its directory has just been removed. */
async function tryCreate(path: string, ticket: Ticket): Promise<boolean> {
  try {
    return await createAtomically(path, JSON.stringify(ticket));
  } catch (error) {
    // The directory is not there yet, or the previous holder is removing it, as after a deletion.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return false;
  }
}

async function replace(path: string, ticket: Ticket): Promise<void> {
  await writeAtomically(path, JSON.stringify(ticket));
}

/** Throws Terminal StateLocked for a file that is no lock: what it stood for is not known. */
async function read(path: string): Promise<Ticket | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new TerminalError({
      code: 'StateLocked',
      message: `the lock ${path} cannot be read: ${text === '' ? 'it is empty' : 'it is not JSON'}`,
      fix: `see that no caplv and no terraform runs, then remove ${path}`,
    });
  }
}

function isStale(ticket: Ticket): boolean {
  return isGone(ticket) && (ticket.run === undefined || isGone({ ...ticket, ...ticket.run }));
}

/**
 * Two who both see a stale lock must not both take it: the second would remove the lock of the first. So whoever
 * takes over holds a lock on doing so, under which the stale lock cannot change.
 */
async function takeOver(path: string, stale: Ticket, ticket: Ticket): Promise<boolean> {
  const guard = await Lock.acquire(`${path}.stale-${stale.token}`, {
    operation: 'take over',
    timeoutMs: 5_000,
  });
  try {
    const now = await read(path);
    if (now?.token !== stale.token) return false;
    await replace(path, ticket);
    return true;
  } finally {
    await guard.release();
  }
}

function describe(ticket: Ticket): LockHolder {
  const killed = isGone(ticket);
  return {
    who: killed
      ? `a terraform left running by a killed caplv (${ticket.user}@${ticket.host}, process ${ticket.run?.pid})`
      : `${ticket.user}@${ticket.host}, process ${ticket.pid}`,
    operation: ticket.operation,
    since: ticket.since,
  };
}

function locked(path: string, holder: LockHolder): StateLockedError {
  return new StateLockedError(holder, {
    where: 'The workspace',
    fix: `wait for it to end; if that process no longer exists anywhere, remove ${path}`,
    missing: { kind: 'lock', path },
  });
}
