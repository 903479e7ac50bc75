/**
 * A name for this process by which a later one can prove that it is gone: of the controller's Lease, for which nobody then
 * waits until it expires, and of its temporary directory.
 */

import { type HostedProcess, isGone, thisProcess } from '../system/process-identity.ts';

/** `node-1_4711_123456_<boot id>_pid:[4026531836]` */
export function processName(): string {
  const { host, pid, startTime, bootId, pidNamespace } = thisProcess();
  return [host, pid, startTime, bootId, pidNamespace].join('_');
}

/**
 * True only if the process of that name provably no longer runs. `ownsHostName`: nobody else has the host name of this
 * process at the same time, as in a pod; then also what ran in a container that was started again is gone.
 */
export function isGoneProcess(name: string, ownsHostName: boolean): boolean {
  const [, host, pid, startTime, bootId, pidNamespace] =
    /^(.+)_(\d+)_(\d+)_([\da-f-]+)_(pid:\[\d+\])$/.exec(name) ?? [];
  if (!host || !startTime || !bootId || !pidNamespace) return false;
  const other: HostedProcess = { host, user: '', pid: Number(pid), startTime, bootId, pidNamespace };
  const here = thisProcess();
  if (ownsHostName && host === here.host && pidNamespace !== here.pidNamespace) return true;
  return isGone(other);
}
