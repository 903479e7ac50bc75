/** The Nodes of one cluster, kept up to date by a watch. Its API server may be slow, wrong or silent: nothing here waits without an end. */

import type { KubeObject, ResourceKind } from '../apimachinery/object.ts';
import type { WorkloadNode } from '../controllers/node/workload-node.ts';
import { TransientError } from '../errors.ts';
import { ApiError } from '../kube/client/api-error.ts';
import type { Client } from '../kube/client/client.ts';
import { Informer } from '../kube/runtime/informer.ts';
import { KubernetesStore } from '../kube/runtime/kubernetes-store.ts';
import { ConnectionRefusedByGuard } from '../system/network/guarded-agent.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type Node, NodeKind, OBJECT_NAME, readNode, workloadNode } from './workload-node.ts';

/** Milliseconds until the first list, and the watch after it, must have come. */
export const START_MS = 30_000;
/** Milliseconds for a list that a decision waits for. */
export const READ_MS = 10_000;
/** A server that failed is not asked again for this long, in milliseconds. */
export const RETRY_MS = 10_000;
/** Nodes that are named in the log because they cannot be read; more of them are counted only. */
const NAMED_NODES = 20;

export interface NodeWatchOptions {
  readonly client: Client;
  /** For messages: `this cluster`, or the cluster of a Secret. */
  readonly place: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Called for each Node that comes, goes, or changes in what is kept of it. */
  readonly onChange: (node: WorkloadNode) => void;
  readonly startMs?: number | undefined;
  readonly readMs?: number | undefined;
}

export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #kind: ResourceKind<Node>;
  readonly #nodes: Informer<Node>;
  readonly #stop = new AbortController();
  readonly #skipped = new Set<string>();
  #failure: { readonly error: unknown; readonly at: number } | undefined;

  constructor(options: NodeWatchOptions) {
    const { client, log, metrics } = options;
    this.#options = options;
    const skipped = metrics.counter(
      'caplv_workload_nodes_skipped_total',
      'Times that a Node of a workload cluster was left out because it could not be read.',
    );
    const pick = (object: KubeObject) => {
      const read = readNode(object);
      if ('node' in read) return read.node;
      skipped.inc();
      this.#reportSkipped(object, read.problem);
      return undefined;
    };
    this.#kind = { ...NodeKind, pick };
    this.#nodes = new Informer(new KubernetesStore(client, { log, metrics }), this.#kind, log);
    this.#nodes.addHandler(({ object, before }) => {
      const node = workloadNode(object);
      // A kubelet reports every few minutes that it is there; that is no change.
      if (before && JSON.stringify(workloadNode(before)) === JSON.stringify(node)) return;
      options.onChange(node);
    });
  }

  /** Resolves when the Nodes are known. Throws TransientError NodesUnreadable, after `START_MS` at the latest. */
  async start(): Promise<void> {
    const { startMs = START_MS, log, place } = this.#options;
    const inTime = AbortSignal.any([AbortSignal.timeout(startMs), this.#stop.signal]);
    try {
      // A watch tries for ever, and does not say why it cannot begin.
      await this.#options.client.list(this.#kind, { signal: inTime });
      const watching = this.#nodes.run(this.#stop.signal);
      watching.catch((error: unknown) => log.error('Watch of Nodes failed', { place, error }));
      await Promise.race([this.#nodes.whenSynced(), watching.then(() => aborted(inTime)), aborted(inTime)]);
    } catch (error) {
      this.stop();
      throw unreadable(place, error);
    }
  }

  /** Returns the Nodes as the watch knows them. */
  list(): readonly WorkloadNode[] {
    return this.#nodes.list().map(workloadNode);
  }

  /** Returns the Nodes as they are now. Throws TransientError NodesUnreadable; again at once, for a server that failed a moment ago. */
  async read(): Promise<readonly WorkloadNode[]> {
    const { client, place, readMs = READ_MS } = this.#options;
    const failed = this.#failure;
    if (failed && performance.now() - failed.at < RETRY_MS) throw unreadable(place, failed.error);
    const signal = AbortSignal.any([AbortSignal.timeout(readMs), this.#stop.signal]);
    try {
      const { items } = await client.list(this.#kind, { signal });
      this.#failure = undefined;
      return items.map(workloadNode);
    } catch (error) {
      this.#failure = { error, at: performance.now() };
      throw unreadable(place, error);
    }
  }

  /** Ends the watch, and every call that waits for it. */
  stop(): void {
    this.#stop.abort(new Error('the watch was ended'));
  }

  #reportSkipped(object: KubeObject, problem: string): void {
    // What is no name of an object is a text of the server.
    const { name: said } = (object as Partial<KubeObject>)?.metadata ?? {};
    const name = typeof said === 'string' && OBJECT_NAME.test(said) ? said : '(no name)';
    if (this.#skipped.size >= NAMED_NODES || this.#skipped.has(name)) return;
    this.#skipped.add(name);
    this.#options.log.warn('Left out a Node that cannot be read', {
      place: this.#options.place,
      node: name,
      problem,
    });
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

const NO_LIST = 'its API server answers with what is no list of Nodes';

/** Without any text of the server: it may name whatever it was asked for. */
export function unreadable(place: string, cause: unknown): TransientError {
  if (cause instanceof ApiError && cause.cause instanceof ConnectionRefusedByGuard)
    return refusedServer(place, cause.cause);
  return new TransientError({
    code: 'NodesUnreadable',
    message: `the Nodes of ${place} cannot be read: ${reasonOf(cause)}`,
    fix: 'let its API server answer, and the kubeconfig list and watch Nodes',
    retryAfterMs: RETRY_MS,
    cause,
  });
}

/** The address that a name resolved to is the operator's to know, and no tenant's: it is in the log alone. */
function refusedServer(place: string, { target, reason }: ConnectionRefusedByGuard): TransientError {
  const { host, port } = target;
  return new TransientError({
    code: 'NotAllowed',
    message: `the Nodes of ${place} cannot be read: the controller may not connect to ${host}, port ${port}: ${reason}`,
    fix: 'use an API server that is allowed, or have it allowed: --allow (CAPLV_ALLOW) with workload:ADDRESS[:PORT]',
    retryAfterMs: RETRY_MS,
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof ApiError && error.code > 0) return `its API server answers with status ${error.code}`;
  if (error instanceof ApiError && error.reason === 'Unreadable') return NO_LIST;
  if (error instanceof ApiError && error.reason !== 'Unreachable') return error.message;
  const cause = error instanceof ApiError ? error.cause : error;
  const { name, code, message } = (cause ?? {}) as NodeJS.ErrnoException;
  if (name === 'TimeoutError') return 'its API server does not answer in time';
  if (name === 'TypeError') return NO_LIST;
  return `no answer from its API server: ${code ?? message}`;
}
