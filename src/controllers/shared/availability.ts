/** Whether a Machine counts as ready, and as available: ready for a while, and not about to go. */

import type { Machine } from '../../api/kinds/machine.ts';
import type { Condition } from '../../apimachinery/conditions.ts';
import { findCondition } from '../../apimachinery/conditions.ts';

export function readyCondition(machine: Machine): Condition | undefined {
  return findCondition(machine, 'Ready');
}

/** A machine that is being deleted is never ready, whatever its status still says. */
export function isReady(machine: Machine): boolean {
  return !machine.metadata.deletionTimestamp && readyCondition(machine)?.status === 'True';
}

/** Milliseconds until the machine is available, if it stays ready; 0: it is; undefined: it is not ready. */
export function availableIn(machine: Machine, minReadySeconds: number, nowMs: number): number | undefined {
  const since = readyCondition(machine)?.lastTransitionTime;
  if (!isReady(machine) || since === undefined) return undefined;
  return Math.max(0, Date.parse(since) + minReadySeconds * 1_000 - nowMs);
}

export function isAvailable(machine: Machine, minReadySeconds: number, nowMs: number): boolean {
  return availableIn(machine, minReadySeconds, nowMs) === 0;
}

/** When to look again: the next of these machines becomes available then, and nothing else would tell. */
export function nextAvailableIn(
  machines: readonly Machine[],
  minReadySeconds: number,
  nowMs: number,
): number | undefined {
  const waits = machines.map((machine) => availableIn(machine, minReadySeconds, nowMs) ?? 0);
  const pending = waits.filter((wait) => wait > 0);
  return pending.length > 0 ? Math.min(...pending) : undefined;
}

/** The first few that are not available and why, for a message. Empty: all are. */
export function describeUnavailable(
  machines: readonly Machine[],
  minReadySeconds: number,
  nowMs: number,
): string {
  const missing = machines.filter((machine) => !isAvailable(machine, minReadySeconds, nowMs));
  const told = missing.slice(0, 3).map((machine) => `${machine.metadata.name} (${whyMissing(machine)})`);
  const rest = missing.length - told.length;
  return [...told, ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}

function whyMissing(machine: Machine): string {
  if (machine.metadata.deletionTimestamp) return 'being deleted';
  const ready = readyCondition(machine);
  if (!ready) return 'new';
  if (ready.status === 'True') return 'ready, waiting for minReadySeconds';
  return ready.message ? `${ready.reason}: ${ready.message}` : ready.reason;
}
