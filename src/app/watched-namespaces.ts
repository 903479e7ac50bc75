/**
 * Remembers, on the leader's Lease, which namespaces a controller watches. What machines share on hosts is kept for those of all watched
 * namespaces: one that is no longer watched would lose its networks and pools.
 */

import { LibvirtClusterKind } from '../api/infrastructure/libvirt-cluster.ts';
import { LibvirtMachineKind } from '../api/infrastructure/libvirt-machine.ts';
import { ClusterKind } from '../api/kinds/cluster.ts';
import { MachineKind } from '../api/kinds/machine.ts';
import { GROUP } from '../api/schema/group.ts';
import type { KubeObject, ObjectKey, ResourceKind } from '../apimachinery/object.ts';
import { FIELD_MANAGER } from '../controllers/machine/scope/scope.ts';
import { TerminalError } from '../errors.ts';
import { hasReason } from '../kube/client/api-error.ts';
import type { Client } from '../kube/client/client.ts';
import { LeaseKind } from '../kube/client/lease.ts';

/** On the leader's Lease: names divided by commas, or `*`. */
export const WATCHED_ANNOTATION = `caplv.${GROUP}/watched-namespaces`;
const ALL = '*';
/** What has something on hosts. */
const KINDS = [
  MachineKind,
  ClusterKind,
  LibvirtMachineKind,
  LibvirtClusterKind,
] as unknown as readonly ResourceKind[];

export interface WatchedNamespacesOptions {
  readonly client: Client;
  /** Of the leader's Lease. */
  readonly namespace: string;
  /** Name of that Lease. */
  readonly lease: string;
  /** Undefined: all namespaces. */
  readonly watched: readonly string[] | undefined;
  /** Whether the API server has these kinds. */
  readonly serves: (kinds: readonly ResourceKind[]) => Promise<boolean>;
}

export class WatchedNamespaces {
  readonly #options: WatchedNamespacesOptions;

  constructor(options: WatchedNamespacesOptions) {
    this.#options = options;
  }

  /**
   * Call it before any work, while the Lease is held. Throws TerminalError InvalidConfiguration when Machines or Clusters, or what
   * cannot be read, are in a namespace that was watched and no longer is.
   */
  async begin(): Promise<void> {
    const { client, watched } = this.#options;
    const before = await this.#before();
    if (watched !== undefined && before !== undefined) {
      const dropped =
        before === ALL ? [undefined] : before.split(',').filter((one) => !watched.includes(one));
      for (const namespace of dropped) await this.#requireEmpty(namespace, watched);
    }
    const annotations = { [WATCHED_ANNOTATION]: watched?.join(',') ?? ALL };
    if (before === annotations[WATCHED_ANNOTATION]) return;
    const options = { fieldManager: FIELD_MANAGER };
    await client.patch(LeaseKind, this.#key, { metadata: { annotations } }, options);
  }

  /** Of a Lease of an earlier caplv, which watched all of them; undefined: nobody has worked here. */
  async #before(): Promise<string | undefined> {
    const lease = await this.#options.client.get(LeaseKind, this.#key);
    const isNew = (lease?.spec.leaseTransitions ?? 0) === 0;
    return lease?.metadata.annotations?.[WATCHED_ANNOTATION] ?? (isNew ? undefined : ALL);
  }

  /** `namespace`: undefined for all of them. */
  async #requireEmpty(namespace: string | undefined, watched: readonly string[]): Promise<void> {
    for (const kind of KINDS) {
      if (!(await this.#options.serves([kind]))) continue;
      const items = await this.#list(kind, namespace);
      const left = items?.find(({ metadata }) => !watched.includes(metadata.namespace ?? ''));
      if (items !== undefined && left === undefined) continue;
      const where = namespace === undefined ? 'namespaces that were watched' : `namespace ${namespace}`;
      throw new TerminalError({
        code: 'InvalidConfiguration',
        path: '--watch-namespaces',
        message: left
          ? `--watch-namespaces leaves out ${where}, where there is still ${kind.kind} ${left.metadata.namespace}/${left.metadata.name}`
          : `--watch-namespaces leaves out ${where}, where ${kind.plural} cannot be read any more`,
        fix:
          'watch it until its Machines and Clusters are deleted; or, if their networks and pools on hosts may be removed, annotate the ' +
          `Lease ${this.#options.namespace}/${this.#options.lease}: ${WATCHED_ANNOTATION}=${watched.join(',')}`,
      });
    }
  }

  /** Undefined: it may not be read. */
  async #list(kind: ResourceKind, namespace: string | undefined): Promise<readonly KubeObject[] | undefined> {
    try {
      return (await this.#options.client.list(kind, namespace === undefined ? {} : { namespace })).items;
    } catch (error) {
      if (hasReason(error, 'Forbidden')) return undefined;
      throw error;
    }
  }

  get #key(): ObjectKey {
    const { namespace, lease: name } = this.#options;
    return { namespace, name };
  }
}
