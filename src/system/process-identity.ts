/** Identifies processes: a later process with the same number has another identity. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { outOfResources } from '../errors.ts';

/** A process so that it can be told from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot (proc(5), stat, field 22); absent where there is no /proc. */
  readonly startTime?: string;
}

/** A process and the kernel it runs on. */
export interface HostedProcess extends ProcessIdentity {
  readonly host: string;
  readonly user: string;
  readonly bootId?: string;
  /** Distinguishes two hosts of the same name, also after a reboot; absent where there is no machine-id(5). Not that ID itself, which is confidential. */
  readonly machineId?: string;
  /** Two containers of one host may both have a process 7. */
  readonly pidNamespace?: string;
}

export function identify(pid: number): ProcessIdentity {
  const startTime = startTimeOf(pid);
  return { pid, ...(startTime !== undefined && { startTime }) };
}

let ownIdentity: HostedProcess | undefined;

/** Returns this very process. Read once from the system (six files, of which each lock would pay again), since nothing of it changes while the process runs. */
export function thisProcess(): HostedProcess {
  ownIdentity ??= readOwnIdentity();
  return ownIdentity;
}

function readOwnIdentity(): HostedProcess {
  const bootId = readText('/proc/sys/kernel/random/boot_id');
  const pidNamespace = readLink('/proc/self/ns/pid');
  const machineId = machineIdOf(readText('/etc/machine-id'));
  return {
    ...identify(process.pid),
    host: hostname(),
    user: userName(),
    ...(bootId !== undefined && { bootId }),
    ...(machineId !== undefined && { machineId }),
    ...(pidNamespace !== undefined && { pidNamespace }),
  };
}

/**
 * True only if `other` provably no longer runs: its pid is free or someone else's, or the host was booted since. False when in
 * doubt: another host, though it has the same name; another container. Two hosts have the same PID namespace as a rule, that of their first
 * process, so what does not run here may run there. The boot ID proves that it is this host where it is the same, and nothing where it is not:
 * a service in a container of systemd-nspawn may see another one than a command beside it.
 */
export function isGone(other: HostedProcess, here: HostedProcess = thisProcess()): boolean {
  if (other.host !== here.host) return false;
  const isSameBoot = other.bootId === here.bootId;
  if (!isSameBoot && (here.machineId === undefined || other.machineId !== here.machineId)) return false;
  if (other.pidNamespace === here.pidNamespace) return !runs(other);
  return !isSameBoot;
}

function machineIdOf(text: string | undefined): string | undefined {
  // Empty or a word in an image of a system that was not started yet.
  if (text === undefined || !/^[0-9a-f]{32}$/.test(text)) return undefined;
  return createHash('sha256').update(`caplv ${text}`).digest('hex').slice(0, 16);
}

/** True if this very process runs on this host. What has ended, and was not taken notice of by its parent, does not run. */
export function runs(other: ProcessIdentity): boolean {
  if (other.startTime !== undefined) return startTimeOf(other.pid) === other.startTime;
  try {
    process.kill(other.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The process that started it; undefined: it does not run. */
export function parentOf(pid: number): number | undefined {
  const parent = statOf(pid)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

function startTimeOf(pid: number): string | undefined {
  return statOf(pid)?.[19];
}

/** What proc(5), stat, has from the state on, of a process that runs. Its first thread may end, a zombie, before the others have. */
function statOf(pid: number): string[] | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The command's name stands in parentheses and may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const hasEnded = fields[0] === 'X' || (fields[0] === 'Z' && threadsOf(pid) < 2);
  return hasEnded ? undefined : fields;
}

function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch (error) {
    if (outOfResources(error)) throw error;
    return 0;
  }
}

/** Throws for want of descriptors or memory: a process that cannot be checked must not count as gone. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (outOfResources(error)) throw error;
    return undefined;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** A uid without an entry in passwd, as containers often have, has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
