/**
 * What has to happen to the Nodes of Machines that are being deleted. Works beside the controller of Machines: no call here waits for a
 * workload cluster, so one that hangs holds none of its workers. What was begun and is not known any more is begun again.
 */

import { ClusterKind } from '../../api/kinds/cluster.ts';
import { type Machine, settledCluster } from '../../api/kinds/machine.ts';
import { EXCLUDE_NODE_DRAINING_ANNOTATION } from '../../api/schema/group.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { CaplvError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { formatDuration } from '../../system/duration.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Reason } from '../shared/conditions.ts';
import { drainOnce } from './drain.ts';
import { provenNode } from './own-node.ts';
import type { WorkloadNode, WorkloadNodes } from './workload-node.ts';

/** How long pods may take to leave, if the Machine does not say, in seconds. */
export const DRAIN_TIMEOUT_SECONDS = 300;
/** A workload cluster that has not answered for so long holds no deletion up, in milliseconds. */
export const SILENT_MS = 60_000;
/** A Node that is not deleted by then stays, in milliseconds. */
const REMOVE_MS = 30_000;
/** Between two tries, in milliseconds. */
const RETRY_MS = 5_000;

export interface Step {
  readonly state: 'waiting' | 'done' | 'skipped';
  readonly reason: Reason;
  readonly message: string;
  readonly requeueAfterMs: number;
}

type Outcome = Pick<Step, 'state' | 'reason' | 'message'>;

/** One of the two things that are done to a Node. */
interface Task {
  readonly name: 'drain' | 'remove';
  readonly pass: (machine: Machine) => Promise<Outcome>;
  /** Reasons while it goes on, and when it was not waited for. */
  readonly reasons: { readonly waiting: Reason; readonly skipped: Reason };
  readonly begun: string;
}

interface Work {
  outcome: Outcome | undefined;
  isRunning: boolean;
  /** `performance.now()`; not before. */
  nextAt: number;
  /** `performance.now()`; since the cluster has failed to answer. */
  failingSince: number | undefined;
}

export interface NodeDeparturesOptions {
  readonly store: Pick<Store, 'get'>;
  readonly nodes: Pick<WorkloadNodes, 'read' | 'writer'>;
  readonly log: Logger;
  /** Has a Machine reconciled, since there is news of its Node. */
  readonly wake: (key: ObjectKey) => void;
}

export class NodeDepartures {
  readonly #options: NodeDeparturesOptions;
  readonly #work = new Map<string, Work>();

  constructor(options: NodeDeparturesOptions) {
    this.#options = options;
  }

  /**
   * Has the pods of the Machine's Node leave; `sinceMs`: since when, by the clock. Waits for nothing: to be called again until it is no
   * longer `waiting`.
   */
  drain(machine: Machine, sinceMs: number): Step {
    const { nodeDrainTimeoutSeconds = DRAIN_TIMEOUT_SECONDS } = machine.spec;
    const limitMs = nodeDrainTimeoutSeconds * 1_000;
    const expired = (left: string) => skipped('DrainTimedOut', `after ${formatDuration(limitMs)}: ${left}`);
    return this.#advance(this.#draining, machine, { deadline: sinceMs + limitMs, expired });
  }

  /** Deletes the Machine's Node. To be called as `drain`. */
  remove(machine: Machine, sinceMs: number): Step {
    const expired = (left: string) => skipped('NodeNotDeleted', left);
    return this.#advance(this.#removing, machine, { deadline: sinceMs + REMOVE_MS, expired });
  }

  readonly #draining: Task = {
    name: 'drain',
    pass: (machine) => this.#drainOnce(machine),
    reasons: { waiting: 'Draining', skipped: 'DrainSkipped' },
    begun: 'its pods are being evicted',
  };

  readonly #removing: Task = {
    name: 'remove',
    pass: (machine) => this.#removeOnce(machine),
    reasons: { waiting: 'Deleting', skipped: 'NodeNotDeleted' },
    begun: 'the Node is being deleted',
  };

  #advance(
    task: Task,
    machine: Machine,
    limit: { readonly deadline: number; readonly expired: (left: string) => Outcome },
  ): Step {
    const id = `${task.name} ${machine.metadata.uid}`;
    const work = this.#work.get(id) ?? newWork();
    const known = work.outcome ?? waiting(task.reasons.waiting, task.begun);
    const leftMs = limit.deadline - Date.now();
    if (known.state !== 'waiting' || leftMs <= 0) {
      this.#work.delete(id);
      return { ...(known.state === 'waiting' ? limit.expired(known.message) : known), requeueAfterMs: 0 };
    }
    this.#work.set(id, work);
    if (!work.isRunning && performance.now() >= work.nextAt) void this.#run(task, machine, work);
    const untilNextMs = work.isRunning ? RETRY_MS : work.nextAt - performance.now();
    return { ...known, requeueAfterMs: Math.max(100, Math.min(untilNextMs, leftMs)) };
  }

  /** Never rejects: what stopped a pass is its outcome. */
  async #run(task: Task, machine: Machine, work: Work): Promise<void> {
    work.isRunning = true;
    try {
      work.outcome = await task.pass(machine);
      work.failingSince = undefined;
    } catch (error) {
      work.failingSince ??= performance.now();
      work.outcome = this.#failed(task, machine, error, performance.now() - work.failingSince);
    }
    work.isRunning = false;
    work.nextAt = performance.now() + RETRY_MS;
    this.#options.wake(keyOf(machine));
  }

  /** What cannot pass by itself within the time is not waited for. */
  #failed({ reasons }: Task, machine: Machine, error: unknown, failingMs: number): Outcome {
    if (!(error instanceof CaplvError)) {
      this.#options.log.error('Work on a Node failed', { ...keyOf(machine), error });
      return skipped(reasons.skipped, 'it failed; the log says why');
    }
    const isFinal =
      error.code === 'NodeAccessDenied' || error.code === 'NotAllowed' || failingMs >= SILENT_MS;
    return isFinal ? skipped(reasons.skipped, error.message) : waiting(reasons.waiting, error.message);
  }

  async #drainOnce(machine: Machine): Promise<Outcome> {
    const { nodes } = this.#options;
    if (machine.metadata.annotations?.[EXCLUDE_NODE_DRAINING_ANNOTATION] !== undefined)
      return skipped('DrainSkipped', `the annotation ${EXCLUDE_NODE_DRAINING_ANNOTATION} says so`);
    const node = await this.#nodeOf(machine, 'DrainSkipped');
    if ('state' in node) return node;
    const left = await drainOnce(await nodes.writer(machine), node);
    if (left) return waiting('Draining', left);
    return { state: 'done', reason: 'Drained', message: `Node ${node.name}` };
  }

  async #removeOnce(machine: Machine): Promise<Outcome> {
    const { nodes } = this.#options;
    const node = await this.#nodeOf(machine, 'NodeNotDeleted');
    if ('state' in node) return node;
    await (await nodes.writer(machine)).remove(node);
    return { state: 'done', reason: 'NodeDeleted', message: `Node ${node.name}` };
  }

  /** Returns the Machine's Node, or why nothing is to be done to it. `leaving`: the reason if its Cluster is being deleted. */
  async #nodeOf(machine: Machine, leaving: Reason): Promise<WorkloadNode | Outcome> {
    if (await this.#isClusterLeaving(machine)) return skipped(leaving, 'its Cluster is being deleted');
    const node = provenNode(machine, (await this.#options.nodes.read(machine)) ?? []);
    return (
      node ?? { state: 'done', reason: 'NodeGone', message: 'no Node has its providerID, or several have' }
    );
  }

  /** Then its Nodes go with it, and nobody has a place to which pods could go. */
  async #isClusterLeaving(machine: Machine): Promise<boolean> {
    const name = settledCluster(machine)?.name;
    if (name === undefined) return false;
    const { namespace } = keyOf(machine);
    const cluster = await this.#options.store.get(ClusterKind, { namespace, name });
    return cluster?.metadata.deletionTimestamp !== undefined;
  }
}

function newWork(): Work {
  return { outcome: undefined, isRunning: false, nextAt: 0, failingSince: undefined };
}

function waiting(reason: Reason, message: string): Outcome {
  return { state: 'waiting', reason, message };
}

function skipped(reason: Reason, message: string): Outcome {
  return { state: 'skipped', reason, message };
}
