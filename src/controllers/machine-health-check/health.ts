/** Whether a machine is healthy by the limits of a MachineHealthCheck: the decision table, pure. */

import type { Machine } from '../../api/kinds/machine.ts';
import type { MachineHealthCheckSpec } from '../../api/kinds/machine-health-check.ts';
import { stopRequest } from '../../api/schema/power.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import { formatDuration, parseDuration } from '../../system/duration.ts';
import { nodeOf } from '../node/own-node.ts';
import type { WorkloadNode } from '../node/workload-node.ts';

export type Health =
  | { readonly state: 'healthy' }
  /** On its way out already. */
  | { readonly state: 'leaving' }
  /** Not healthy, and not for long enough to do something. `lookInMs`: then it will be; absent: time alone changes nothing. */
  | { readonly state: 'waiting'; readonly why: string; readonly lookInMs?: number }
  /** Too long. `needsPerson`: a successor would fail the same way. */
  | { readonly state: 'unhealthy'; readonly why: string; readonly needsPerson?: true };

/** What Nodes and Machines have in common. */
interface TimedCondition {
  readonly type: string;
  readonly status: string;
  /** RFC 3339; without it nothing can be said of how long it lasts. */
  readonly lastTransitionTime?: string | null | undefined;
}

type Limits = NonNullable<MachineHealthCheckSpec['unhealthyConditions']>;

/** `nodes`: of the machine's cluster; undefined: nobody knows of any, and only the Machine itself is judged. */
export function healthOf(
  machine: Machine,
  nodes: readonly WorkloadNode[] | undefined,
  spec: MachineHealthCheckSpec,
  nowMs: number,
): Health {
  if (machine.metadata.deletionTimestamp) return { state: 'leaving' };
  // A guest that is off because a person stopped it is neither a node nor ready, and misses nothing.
  if (stopRequest(machine)) return HEALTHY;
  const own = overdue('', machine, machine.status?.conditions, spec.unhealthyMachineConditions, nowMs);
  // A guest that is off because its spec says so is no node, and misses none.
  const ofNode = isOff(machine) || !nodes ? HEALTHY : nodeHealth(machine, nodes, spec, nowMs);
  return worse(own, ofNode);
}

const HEALTHY: Health = { state: 'healthy' };

function nodeHealth(
  machine: Machine,
  nodes: readonly WorkloadNode[],
  spec: MachineHealthCheckSpec,
  nowMs: number,
): Health {
  const { nodeRef } = machine.status ?? {};
  const node = nodeRef ? nodes.find(({ name }) => name === nodeRef.name) : nodeOf(machine, nodes);
  if (node) return overdue('Node ', machine, node.conditions, spec.unhealthyConditions, nowMs);
  if (nodeRef) return { state: 'unhealthy', why: `Node ${nodeRef.name} is gone` };
  return startingHealth(machine, parseDuration(spec.nodeStartupTimeout, 'spec.nodeStartupTimeout'), nowMs);
}

function startingHealth({ metadata, status }: Machine, limitMs: number, nowMs: number): Health {
  const { errorReason } = status ?? {};
  if (errorReason) return { state: 'unhealthy', why: `it failed with ${errorReason}`, needsPerson: true };
  if (limitMs === 0) return { state: 'waiting', why: 'it has no Node yet' };
  const beganMs = Math.max(Date.parse(metadata.creationTimestamp ?? ''), startedMs({ status }));
  const leftMs = beganMs + limitMs - nowMs;
  if (leftMs > 0) return { state: 'waiting', why: 'it has no Node yet', lookInMs: leftMs };
  const since = startedMs({ status }) < beganMs ? 'creation' : 'start';
  return { state: 'unhealthy', why: `it has no Node ${formatDuration(limitMs)} after its ${since}` };
}

/** The first condition that lasts for too long, else the one that will first. */
function overdue(
  whose: '' | 'Node ',
  machine: Machine,
  conditions: readonly TimedCondition[] = [],
  limits: Limits = [],
  nowMs: number,
): Health {
  let found: Health = HEALTHY;
  for (const { type, status, timeout } of limits) {
    const met = conditions.find((one) => one.type === type && one.status === status);
    if (!met?.lastTransitionTime) continue;
    const limitMs = parseDuration(timeout, 'timeout');
    // A guest that was off for long is not unhealthy for as long.
    const leftMs = Math.max(Date.parse(met.lastTransitionTime), startedMs(machine)) + limitMs - nowMs;
    const why = `${whose}${type} is ${status}`;
    found = worse(
      found,
      leftMs > 0
        ? { state: 'waiting', why, lookInMs: leftMs }
        : { state: 'unhealthy', why: `${why} for more than ${formatDuration(limitMs)}` },
    );
  }
  return found;
}

/** What can be healed by a successor counts before what cannot. */
function worse(one: Health, other: Health): Health {
  const rank = (health: Health) =>
    health.state === 'unhealthy' ? (health.needsPerson ? 2 : 3) : health.state === 'waiting' ? 1 : 0;
  if (one.state === 'waiting' && other.state === 'waiting') {
    return (other.lookInMs ?? Number.POSITIVE_INFINITY) < (one.lookInMs ?? Number.POSITIVE_INFINITY)
      ? other
      : one;
  }
  return rank(other) > rank(one) ? other : one;
}

/** When the guest was started last, as far as that was written down; 0: it was not. */
function startedMs({ status }: Pick<Machine, 'status'>): number {
  return Date.parse(status?.providerStatus?.lastStarted ?? '') || 0;
}

function isOff(machine: Machine): boolean {
  return findCondition(machine, 'AddressesReady')?.reason === 'NotStarted';
}
