/**
 * Nodes of the clusters that machines are made for. Which cluster that is says a Secret `<cluster>-kubeconfig` with the key
 * `value`, as Cluster API has it; without one, machines join the cluster that their objects are in. Each cluster is watched
 * from the first question on, until nobody has asked for a while.
 */

import { clusterNameOf, type Machine } from '../api/kinds/machine.ts';
import type { NodeWriter, WorkloadNode, WorkloadNodes } from '../controllers/node/workload-node.ts';
import type { Client } from '../kube/client/client.ts';
import { within } from '../system/abortable.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { NodeClient } from './node-client.ts';
import { NodeWatch, RETRY_MS, unreadable } from './node-watch.ts';
import { nameOf, type Place, type WorkloadConnections } from './workload-connection.ts';

/** What a kubeconfig says is read again after this. Machines without a Node are looked at as often, each by itself. */
const PLACE_MS = 10_000;
/** Longer than the resync of those who ask again and again. */
const IDLE_MS = 30 * 60_000;
/** A caller waits this long for a cluster that is not known yet, in milliseconds; then it is told to come back. */
export const PATIENCE_MS = 2_000;
/** Clusters of one namespace that are connected to at once. */
export const STARTS_PER_NAMESPACE = 4;

interface ReadPlace {
  readonly place: Promise<Place>;
  /** `performance.now()` */
  readonly at: number;
}

interface Watched {
  readonly watch: NodeWatch;
  readonly writer: NodeClient;
  readonly started: Promise<void>;
  readonly idle: NodeJS.Timeout;
  readonly end: () => void;
}

export interface WatchedNodesOptions {
  /** Of the cluster that Machines are in, which they join where no Secret names another one; absent: they are in none. */
  readonly client?: Client | undefined;
  readonly connections: WorkloadConnections;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Called before each write; what it throws is thrown instead. */
  readonly mayWrite: () => void;
  /** Default `PATIENCE_MS`. */
  readonly patienceMs?: number;
  /** Default `START_MS`. */
  readonly startMs?: number;
  /** Default `READ_MS`. */
  readonly readMs?: number;
}

export class WatchedNodes implements WorkloadNodes {
  readonly #options: WatchedNodesOptions;
  readonly #handlers: ((node: WorkloadNode) => void)[] = [];
  /** What was read last, by the Secret. */
  readonly #places = new Map<string, ReadPlace>();
  /** By the text of the kubeconfig; also of a cluster that failed, until it is tried again. */
  readonly #watched = new Map<string, Watched>();
  /** By namespace: clusters that are being connected to. */
  readonly #starting = new Map<string, number>();

  constructor(options: WatchedNodesOptions) {
    this.#options = options;
  }

  addHandler(handler: (node: WorkloadNode) => void): void {
    this.#handlers.push(handler);
  }

  async of(machine: Machine): Promise<readonly WorkloadNode[] | undefined> {
    const place = await this.#knownPlaceOf(machine);
    return this.#isKnown(place) ? (await this.#ready(place)).watch.list() : undefined;
  }

  async read(machine: Machine): Promise<readonly WorkloadNode[] | undefined> {
    const place = await this.#placeOf(machine);
    return this.#isKnown(place) ? (await this.#ready(place)).watch.read() : undefined;
  }

  async writer(machine: Machine): Promise<NodeWriter> {
    const { writer } = await this.#ready(await this.#placeOf(machine));
    return writer;
  }

  /** Ends all watches, and every call that waits for one. */
  close(): void {
    for (const { end } of this.#watched.values()) end();
    this.#watched.clear();
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

  #isKnown({ kubeconfig }: Place): boolean {
    return kubeconfig !== '' || this.#options.client !== undefined;
  }

  #placeOf(machine: Machine): Promise<Place> {
    const { namespace = 'default' } = machine.metadata;
    return this.#options.connections.placeOf(namespace, clusterNameOf(machine));
  }

  /** A worker is not held by a server that does not answer: the cluster is connected to meanwhile, and its Nodes wake who waits. */
  async #ready(place: Place): Promise<Watched> {
    const watched = this.#watched.get(place.kubeconfig) ?? this.#start(place);
    const silent = new Error('its API server has not answered yet');
    const { patienceMs = PATIENCE_MS } = this.#options;
    await within(watched.started, patienceMs, () => unreadable(nameOf(place), silent));
    watched.idle.refresh();
    return watched;
  }

  #start(place: Place): Watched {
    const { namespace, kubeconfig } = place;
    const starting = this.#starting.get(namespace) ?? 0;
    if (starting >= STARTS_PER_NAMESPACE) {
      const others = `${starting} clusters of namespace ${namespace} are being connected to; it comes after them`;
      throw unreadable(nameOf(place), new Error(others));
    }
    const own = kubeconfig === '' ? this.#options.client : undefined;
    const client = own ?? this.#options.connections.clientFor(place);
    const { log, metrics, mayWrite, startMs, readMs } = this.#options;
    const writer = new NodeClient({ client, place: nameOf(place), mayWrite, writeMs: readMs });
    const watch = new NodeWatch({
      client,
      place: nameOf(place),
      log,
      metrics,
      startMs,
      readMs,
      onChange: (node) => {
        for (const handler of this.#handlers) handler(node);
      },
    });
    const end = () => {
      clearTimeout(idle);
      watch.stop();
      if (!own) client.close();
    };
    const forget = () => {
      if (this.#watched.get(kubeconfig) === watched) this.#watched.delete(kubeconfig);
      end();
    };
    const idle = setTimeout(forget, IDLE_MS).unref();
    this.#starting.set(namespace, starting + 1);
    const started = watch.start().finally(() => {
      const left = (this.#starting.get(namespace) ?? 1) - 1;
      if (left > 0) this.#starting.set(namespace, left);
      else this.#starting.delete(namespace);
    });
    const watched = { watch, writer, started, idle, end };
    this.#watched.set(kubeconfig, watched);
    // Until it is tried again, everybody gets the same failure at once.
    started.catch(() => setTimeout(forget, RETRY_MS).unref());
    return watched;
  }
}
