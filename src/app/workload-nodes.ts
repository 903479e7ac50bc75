/**
 * Nodes of the clusters that machines are made for. Which cluster that is says a Secret `<cluster>-kubeconfig` with the key
 * `value`, as Cluster API has it; without one, machines join the cluster that their objects are in. Each cluster is watched
 * from the first question on, until nobody has asked for a while.
 */

import { clusterNameOf, type Machine } from '../api/kinds/machine.ts';
import { SecretKind, secretValue } from '../api/kinds/secret.ts';
import type { KubeObject, ResourceKind } from '../apimachinery/object.ts';
import type { WorkloadNode, WorkloadNodes } from '../controllers/node/controller.ts';
import { Transient } from '../errors.ts';
import { Client } from '../kube/client/client.ts';
import { connectionFromText } from '../kube/client/kubeconfig.ts';
import { type Change, Informer } from '../kube/runtime/informer.ts';
import { KubernetesStore } from '../kube/runtime/kubernetes-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface Node extends KubeObject {
  spec: { readonly providerID?: string };
  status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: WorkloadNode['conditions'];
  };
}

export const NodeKind: ResourceKind<Node> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  namespaced: false,
};

/** What a kubeconfig says is read again after this. Machines without a Node are looked at as often, each by itself. */
const PLACE_MS = 10_000;
/** Longer than the resync of those who ask again and again. */
const IDLE_MS = 30 * 60_000;

interface Place {
  /** Empty: this cluster. */
  readonly kubeconfig: string;
  /** Where it stands, for messages. */
  readonly secret: string;
}

interface ReadPlace {
  readonly place: Promise<Place>;
  /** `performance.now()` */
  readonly at: number;
}

interface Watch {
  readonly client: Client;
  readonly nodes: Informer<Node>;
  readonly idle: NodeJS.Timeout;
  readonly stop: AbortController;
}

export interface WatchedNodesOptions {
  readonly client: Client;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export class WatchedNodes implements WorkloadNodes {
  readonly #options: WatchedNodesOptions;
  readonly #handlers: ((node: WorkloadNode) => void)[] = [];
  /** What was read last, by the Secret. */
  readonly #places = new Map<string, ReadPlace>();
  /** By the text of the kubeconfig. */
  readonly #watches = new Map<string, Promise<Watch>>();

  constructor(options: WatchedNodesOptions) {
    this.#options = options;
  }

  addHandler(handler: (node: WorkloadNode) => void): void {
    this.#handlers.push(handler);
  }

  async of(machine: Machine): Promise<readonly WorkloadNode[]> {
    const { nodes, idle } = await this.#watch(await this.#knownPlaceOf(machine));
    idle.refresh();
    return nodes.list().map(workloadNode);
  }

  async read(machine: Machine): Promise<readonly WorkloadNode[]> {
    const place = await this.#placeOf(machine);
    const { client } = await this.#watch(place);
    return (await list(client, place)).map(workloadNode);
  }

  /** Ends all watches. */
  async close(): Promise<void> {
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    for (const watch of await Promise.allSettled(watches)) {
      if (watch.status === 'fulfilled') this.#end(watch.value);
    }
  }

  /** Read once for all machines of a cluster that are looked at together. */
  #knownPlaceOf(machine: Machine): Promise<Place> {
    const cluster = `${machine.metadata.namespace}/${clusterNameOf(machine) ?? ''}`;
    const now = performance.now();
    for (const [one, { at }] of this.#places) if (now - at >= PLACE_MS) this.#places.delete(one);
    const known = this.#places.get(cluster);
    if (known) return known.place;
    const place = this.#placeOf(machine);
    this.#places.set(cluster, { place, at: now });
    place.catch(() => this.#places.delete(cluster));
    return place;
  }

  async #placeOf(machine: Machine): Promise<Place> {
    const { namespace = 'default' } = machine.metadata;
    const cluster = clusterNameOf(machine);
    const name = `${cluster}-kubeconfig`;
    const secret =
      cluster === undefined ? undefined : await this.#options.client.get(SecretKind, { namespace, name });
    return {
      kubeconfig: (secret && secretValue(secret, 'value')) ?? '',
      secret: `Secret ${namespace}/${name}`,
    };
  }

  /** Many ask at once: one watch serves them all. */
  #watch(place: Place): Promise<Watch> {
    const { kubeconfig } = place;
    const known = this.#watches.get(kubeconfig);
    if (known) return known;
    const watch = this.#begin(place);
    this.#watches.set(kubeconfig, watch);
    watch.catch(() => this.#watches.delete(kubeconfig));
    return watch;
  }

  async #begin(place: Place): Promise<Watch> {
    const { log, metrics } = this.#options;
    const client = place.kubeconfig === '' ? this.#options.client : clientFrom(place);
    const stop = new AbortController();
    try {
      // A watch tries for ever, and tells nobody why it cannot begin.
      await list(client, place);
    } catch (error) {
      if (client !== this.#options.client) client.close();
      throw error;
    }
    const nodes = new Informer(new KubernetesStore(client, { log, metrics }), NodeKind, log);
    nodes.addHandler((change) => this.#tell(change));
    void nodes.run(stop.signal);
    const idle = setTimeout(() => {
      this.#watches.delete(place.kubeconfig);
      this.#end(watch);
    }, IDLE_MS).unref();
    const watch = { client, nodes, idle, stop };
    await nodes.whenSynced();
    return watch;
  }

  #end({ client, idle, stop }: Watch): void {
    clearTimeout(idle);
    stop.abort();
    if (client !== this.#options.client) client.close();
  }

  /** A kubelet says every few minutes that it is there; that is no news. */
  #tell({ object, before }: Change<Node>): void {
    const node = workloadNode(object);
    if (before && JSON.stringify(workloadNode(before)) === JSON.stringify(node)) return;
    for (const handler of this.#handlers) handler(node);
  }
}

async function list(client: Client, { kubeconfig, secret }: Place): Promise<readonly Node[]> {
  try {
    return (await client.list(NodeKind)).items;
  } catch (error) {
    const where = kubeconfig === '' ? 'this cluster' : `the cluster of ${secret}`;
    throw new Transient({
      code: 'NodesUnreadable',
      message: `the Nodes of ${where} cannot be read: ${(error as Error).message}`,
      fix: 'let its API server answer, and the kubeconfig list and watch Nodes',
      retryAfterMs: 10_000,
      cause: error,
    });
  }
}

function workloadNode({ metadata, spec, status }: Node): WorkloadNode {
  return {
    name: metadata.name,
    uid: metadata.uid,
    providerID: spec.providerID,
    addresses: (status?.addresses ?? []).map(({ address }) => address),
    conditions: (status?.conditions ?? []).map(({ type, status: is, lastTransitionTime }) => ({
      type,
      status: is,
      ...(lastTransitionTime && { lastTransitionTime }),
    })),
  };
}

function clientFrom({ kubeconfig, secret }: Place): Client {
  try {
    return new Client(connectionFromText(kubeconfig, secret));
  } catch (error) {
    throw new Transient({
      code: 'InvalidConfiguration',
      message: (error as Error).message,
      fix: 'put a kubeconfig with a certificate or a token into the key `value`',
      retryAfterMs: 60_000,
    });
  }
}
