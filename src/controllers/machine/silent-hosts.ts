/** Keeps workers free of hosts that take a connection and say nothing: each call to one holds a worker for ten seconds. */

import type { Cluster } from '../../api/kinds/cluster.ts';
import { storedClusterSpec } from '../../api/kinds/cluster.ts';
import { clusterNameOf, type Machine, storedMachineSpec } from '../../api/kinds/machine.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { Policy } from '../../intent/policy.ts';
import { candidateSites } from '../../intent/site.ts';
import type { Informer } from '../../kube/runtime/informer.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';

/** Workers that may be at a host of which it is not known that it answers. */
export const WORKERS_PER_SILENT_HOST = 2;

export interface SilentHostsOptions {
  readonly machines: Pick<Informer<Machine>, 'get'>;
  readonly clusters: Pick<Informer<Cluster>, 'list'>;
  readonly policy: Policy;
  /** See `Libvirt.answers`. */
  readonly answers: (uri: AllowedHost) => boolean | undefined;
  /** Of the controller of Machines. */
  readonly workers: number;
}

export class SilentHosts {
  readonly #options: SilentHostsOptions;
  /** Of Machines without a host, as long as neither they nor their Cluster change. */
  readonly #candidates = new WeakMap<
    Machine,
    { readonly cluster: Cluster | undefined; readonly uris: AllowedHost[] }
  >();

  constructor(options: SilentHostsOptions) {
    this.#options = options;
  }

  /**
   * False if the Machine may need a host that does not answer, and enough workers are at that host, or half of all are at such hosts.
   * `running`: Machines that workers have.
   */
  readonly mayStart = (key: ObjectKey, running: readonly ObjectKey[]): boolean => {
    const silent = this.#silentHostsOf(key);
    if (silent.length === 0) return true;
    const others = running.map((one) => this.#silentHostsOf(one)).filter((hosts) => hosts.length > 0);
    const most = Math.max(WORKERS_PER_SILENT_HOST, Math.floor(this.#options.workers / 2));
    if (others.length >= most) return false;
    return silent.every(
      (uri) => others.filter((hosts) => hosts.includes(uri)).length < WORKERS_PER_SILENT_HOST,
    );
  };

  #silentHostsOf(key: ObjectKey): AllowedHost[] {
    const machine = this.#options.machines.get(key);
    if (!machine) return [];
    return this.#hostsOf(machine).filter((uri) => this.#options.answers(uri) !== true);
  }

  /** The host of a Machine; of one that has none yet, those of its Cluster. */
  #hostsOf(machine: Machine): AllowedHost[] {
    const { clusters, policy } = this.#options;
    const pinned = machine.status?.providerStatus?.pinned;
    if (pinned) return allowed(policy, [pinned.uri]);
    const all = clusters.list(machine.metadata.namespace);
    const name = clusterNameOf(machine);
    const [cluster] = name === undefined ? all : all.filter(({ metadata }) => metadata.name === name);
    const known = this.#candidates.get(machine);
    if (known && known.cluster === cluster) return known.uris;
    const uris = allowed(policy, candidatesOf(machine, cluster, policy.defaultHost));
    this.#candidates.set(machine, { cluster, uris });
    return uris;
  }
}

function candidatesOf(machine: Machine, cluster: Cluster | undefined, defaultUri: string): string[] {
  try {
    const sites = cluster && storedClusterSpec(cluster).spec;
    return candidateSites(storedMachineSpec(machine), sites, defaultUri).map(({ uri }) => uri);
  } catch {
    // What is asked for cannot be read: the reconcile says so, and asks no host.
    return [];
  }
}

/** Others are refused before anything is asked of them. */
function allowed(policy: Policy, uris: readonly string[]): AllowedHost[] {
  return uris.flatMap((uri) => policy.host(uri) ?? []);
}
