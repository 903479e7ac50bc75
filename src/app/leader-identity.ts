/**
 * A name for this process by which a later one can prove that it is gone: of the controller's Lease, for which nobody then
 * waits until it expires, and of its temporary directory.
 */

import { type HostedProcess, isGone, thisProcess } from '../system/process-identity.ts';

/** `node-1_4711_123456_<boot id>_pid:[4026531836]_<machine>`; without the last where the host has no machine-id(5). */
export function processName(process: HostedProcess = thisProcess()): string {
  const { host, pid, startTime, bootId, pidNamespace, machineId } = process;
  return [host, pid, startTime, bootId, pidNamespace, ...(machineId === undefined ? [] : [machineId])].join(
    '_',
  );
}

/**
 * True only if the process of that name provably no longer runs. `ownsHostName`: nobody else has the host name of this
 * process at the same time, as in a pod; then also what ran in a container that was started again is gone.
 */
export function isGoneProcess(name: string, ownsHostName: boolean, here = thisProcess()): boolean {
  const [, host, pid, startTime, bootId, pidNamespace, machineId] =
    /^(.+)_(\d+)_(\d+)_([\da-f-]+)_(pid:\[\d+\])(?:_([\da-f]{16}))?$/.exec(name) ?? [];
  if (!host || !startTime || !bootId || !pidNamespace) return false;
  const other: HostedProcess = {
    host,
    user: '',
    pid: Number(pid),
    startTime,
    bootId,
    pidNamespace,
    ...(machineId && { machineId }),
  };
  if (ownsHostName && host === here.host && pidNamespace !== here.pidNamespace) return true;
  return isGone(other, here);
}
