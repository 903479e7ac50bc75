/** Changes Nodes of one workload cluster. Its API server may be slow, wrong or silent: each request has a time limit, and one that failed is not asked again at once. */

import type {
  NodeMetadata,
  NodeWriter,
  WorkloadNode,
  WorkloadPod,
} from '../controllers/node/workload-node.ts';
import { TransientError } from '../errors.ts';
import { ApiError, hasReason } from '../kube/client/api-error.ts';
import type { Client } from '../kube/client/client.ts';
import { RETRY_MS, unreadable } from './node-watch.ts';
import { NodeKind, readNodeMetadata } from './workload-node.ts';
import { PodKind, workloadPod } from './workload-pod.ts';

/** Milliseconds for one request with its repetitions. */
export const WRITE_MS = 10_000;

export interface NodeClientOptions {
  readonly client: Client;
  /** For messages: `this cluster`, or the cluster of a Secret. */
  readonly place: string;
  /** Called before each write; what it throws is thrown instead. */
  readonly mayWrite: () => void;
  readonly writeMs?: number | undefined;
}

const FIELD_MANAGER = 'caplv-node';

export class NodeClient implements NodeWriter {
  readonly #options: NodeClientOptions;
  /** Of a server that did not answer. */
  #silence: { readonly error: unknown; readonly at: number } | undefined;

  constructor(options: NodeClientOptions) {
    this.#options = options;
  }

  metadata(node: string): Promise<NodeMetadata | undefined> {
    return this.#ask(async (signal) => {
      const found = await this.#options.client.get(NodeKind, keyOf(node), signal);
      return found && readNodeMetadata(found);
    });
  }

  patch(node: string, patch: object): Promise<boolean> {
    return this.#write(async (signal) => {
      try {
        const options = { signal, fieldManager: FIELD_MANAGER };
        await this.#options.client.patch(NodeKind, keyOf(node), patch, options);
        return true;
      } catch (error) {
        if (hasReason(error, 'Conflict') || hasReason(error, 'NotFound')) return false;
        throw error;
      }
    });
  }

  pods(node: string): Promise<readonly WorkloadPod[]> {
    return this.#ask(async (signal) => {
      const fieldSelector = `spec.nodeName=${node}`;
      const { items } = await this.#options.client.list(PodKind, { fieldSelector, signal });
      return items.map(workloadPod);
    });
  }

  evict({ namespace, name, uid }: WorkloadPod): Promise<'accepted' | 'refused' | 'gone'> {
    const body = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { namespace, name },
      deleteOptions: { preconditions: { uid } },
    };
    return this.#write(async (signal) => {
      try {
        await this.#options.client.createIn('eviction', PodKind, { namespace, name }, body, { signal });
        return 'accepted';
      } catch (error) {
        const code = error instanceof ApiError ? error.code : 0;
        // 409: another pod has its name by now.
        if (code === 404 || code === 409) return 'gone';
        // 429: a budget; 500: several budgets; 403: its namespace is being deleted.
        if (code === 429 || code === 500 || code === 403) return 'refused';
        throw error;
      }
    });
  }

  remove({ name, uid }: WorkloadNode): Promise<void> {
    return this.#write(async (signal) => {
      try {
        await this.#options.client.delete(NodeKind, keyOf(name), { ...(uid && { uid }), signal });
      } catch (error) {
        // Of another uid it is another Node.
        if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
      }
    });
  }

  #write<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#options.mayWrite();
    return this.#ask(work);
  }

  async #ask<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { place, writeMs = WRITE_MS } = this.#options;
    const silent = this.#silence;
    if (silent && performance.now() - silent.at < RETRY_MS) throw unreadable(place, silent.error);
    try {
      const answer = await work(AbortSignal.timeout(writeMs));
      this.#silence = undefined;
      return answer;
    } catch (error) {
      if (error instanceof ApiError && (error.code === 401 || error.code === 403))
        throw accessDenied(place, error);
      if (!(error instanceof ApiError) || error.code === 0) this.#silence = { error, at: performance.now() };
      throw unreadable(place, error);
    }
  }
}

function keyOf(name: string) {
  return { namespace: '', name };
}

/** Without any text of the server. */
function accessDenied(place: string, cause: ApiError): TransientError {
  return new TransientError({
    code: 'NodeAccessDenied',
    message: `the Nodes of ${place} cannot be changed: its API server answers with status ${cause.code}`,
    fix: 'let the kubeconfig get, patch and delete Nodes, list Pods, and create pods/eviction',
    retryAfterMs: 60_000,
    cause,
  });
}
