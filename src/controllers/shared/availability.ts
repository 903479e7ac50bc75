/**
 * Whether a Machine counts as ready, and as available: ready for a while, and not about to go. One that is a Node is ready when its Node is
 * too; so is one that is to become a Node, since others of its set or deployment are Nodes.
 */

import type { Machine } from '../../api/kinds/machine.ts';
import type { Condition } from '../../apimachinery/conditions.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import type { Change } from '../../kube/runtime/informer.ts';

export function readyCondition(machine: Machine): Condition | undefined {
  return findCondition(machine, 'Ready');
}

/** True if one of the machines, which come from one template or its revisions, has become a Node: then the others are to as well. */
export function areNodes(machines: readonly Machine[]): boolean {
  return machines.some(({ status }) => status?.nodeRef !== undefined);
}

/** A machine that is being deleted is never ready, whatever its status still says. `expectsNode`: see `areNodes`. */
export function isReady(machine: Machine, expectsNode = false): boolean {
  if (machine.metadata.deletionTimestamp || readyCondition(machine)?.status !== 'True') return false;
  const node = nodeCondition(machine);
  return node ? node.status === 'True' : !expectsNode;
}

/** True for a change after which other machines count as available than before: one became a Node, or its Node became ready or not. */
export function nodeReadinessChanged({
  object,
  before,
}: Pick<Change<Machine>, 'object' | 'before'>): boolean {
  if (nodeCondition(object)?.status !== (before && nodeCondition(before)?.status)) return true;
  return (object.status?.nodeRef === undefined) !== (before?.status?.nodeRef === undefined);
}

/** Milliseconds until the machine is available, if it stays ready; 0: it is; undefined: it is not ready. */
function availableIn(
  machine: Machine,
  minReadySeconds: number,
  nowMs: number,
  expectsNode: boolean,
): number | undefined {
  if (!isReady(machine, expectsNode)) return undefined;
  const times = [readyCondition(machine), nodeCondition(machine)].flatMap((one) =>
    one ? Date.parse(one.lastTransitionTime) : [],
  );
  return Math.max(0, Math.max(...times) + minReadySeconds * 1_000 - nowMs);
}

/** `expectsNode`: see `areNodes`. */
export function isAvailable(
  machine: Machine,
  minReadySeconds: number,
  nowMs: number,
  expectsNode = false,
): boolean {
  return availableIn(machine, minReadySeconds, nowMs, expectsNode) === 0;
}

/** When to look again: the next of these machines becomes available then, and nothing else would tell. */
export function nextAvailableIn(
  machines: readonly Machine[],
  minReadySeconds: number,
  nowMs: number,
): number | undefined {
  const expectsNode = areNodes(machines);
  const waits = machines.map((machine) => availableIn(machine, minReadySeconds, nowMs, expectsNode) ?? 0);
  const pending = waits.filter((wait) => wait > 0);
  return pending.length > 0 ? Math.min(...pending) : undefined;
}

/** The first few that are not available and why, for a message. Empty: all are. */
export function describeUnavailable(
  machines: readonly Machine[],
  minReadySeconds: number,
  nowMs: number,
): string {
  const expectsNode = areNodes(machines);
  const missing = machines.filter((machine) => !isAvailable(machine, minReadySeconds, nowMs, expectsNode));
  const why = (machine: Machine) => whyMissing(machine, expectsNode);
  const told = missing.slice(0, 3).map((machine) => `${machine.metadata.name} (${why(machine)})`);
  const rest = missing.length - told.length;
  return [...told, ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}

function whyMissing(machine: Machine, expectsNode: boolean): string {
  if (machine.metadata.deletionTimestamp) return 'being deleted';
  const ready = readyCondition(machine);
  if (!ready) return 'new';
  if (ready.status === 'True') {
    if (isReady(machine, expectsNode)) return 'ready, waiting for minReadySeconds';
    return nodeCondition(machine)?.message ?? 'runs, and is no Node yet';
  }
  return ready.message ? `${ready.reason}: ${ready.message}` : ready.reason;
}

function nodeCondition(machine: Machine): Condition | undefined {
  return findCondition(machine, 'NodeReady');
}
