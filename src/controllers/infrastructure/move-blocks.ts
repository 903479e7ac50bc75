/**
 * Has `clusterctl move` wait while Terraform runs for a LibvirtMachine, as the state would go along as it was before, and until a
 * LibvirtCluster has handed over what it has on its hosts.
 */

import { BLOCK_MOVE_ANNOTATION } from '../../api/infrastructure/contract.ts';
import { type LibvirtCluster, LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { formatKey } from '../../apimachinery/object-key.ts';
import { TransientError } from '../../errors.ts';
import { managedNetwork, managedPool } from '../../intent/host-intent.ts';
import { isInfrastructure, objectKey } from '../../intent/names.ts';
import { sitesOf } from '../../intent/site.ts';
import type { Store } from '../../store/store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { clusterSpecOf } from './cluster-projection.ts';
import { isPaused, ownersOfMachine } from './owners.ts';

const FIELD_MANAGER = 'caplv-move';
/** Under a pause, too: it ends what a run that broke off has left, and changes nothing. */
export const SETTLE = 'settle';

export interface MoveBlocksOptions {
  /** What it answers is so now. */
  readonly store: Pick<Store, 'get' | 'apply'>;
  readonly log: Logger;
}

export class MoveBlocks {
  readonly #options: MoveBlocksOptions;
  /** Machines on whose behalf this process works, and whether they carry the annotation. */
  readonly #working = new Map<string, { isBlocked: boolean }>();

  constructor(options: MoveBlocksOptions) {
    this.#options = options;
  }

  /** Runs a reconcile. The annotation that a run in it sets stays to its end, as its last word is what the record says of the run. */
  async throughout<T>(machine: ObjectKey, one: LibvirtMachine, work: () => Promise<T>): Promise<T> {
    const id = formatKey(machine);
    const own = { isBlocked: false };
    this.#working.set(id, own);
    try {
      return await work();
    } finally {
      this.#working.delete(id);
      if (own.isBlocked) await this.#end(one);
    }
  }

  /**
   * Runs `work` with the annotation on the LibvirtMachine; work for a Machine of the original API as it is. Throws TransientError Conflict
   * if its Cluster is paused by then: clusterctl looks for the annotation once it has paused it.
   */
  async whileRunning<T>(machine: ObjectKey, operation: string, work: () => Promise<T>): Promise<T> {
    if (!isInfrastructure(machine)) return work();
    const { store } = this.#options;
    const one = await store.get(LibvirtMachineKind, objectKey(machine), { fresh: true });
    // What is left of one that is gone moves nowhere.
    if (!one) return work();
    const reconcile = this.#working.get(formatKey(machine));
    if (!reconcile) return this.throughout(machine, one, () => this.whileRunning(machine, operation, work));
    reconcile.isBlocked = true;
    await this.#set(LibvirtMachineKind, one);
    const { cluster } = await ownersOfMachine(store, one);
    if (operation !== SETTLE && isPaused(one, cluster)) throw pausedMeanwhile(one);
    return work();
  }

  /** True if the annotation is there and no run of this process stands behind it: a process that ended has left it. */
  isLeft({ metadata }: LibvirtMachine, machine: ObjectKey): boolean {
    return (
      metadata.annotations?.[BLOCK_MOVE_ANNOTATION] !== undefined && !this.#working.has(formatKey(machine))
    );
  }

  /** Takes away what a process that ended has left. */
  async clear(one: LibvirtMachine): Promise<void> {
    await this.#clear(LibvirtMachineKind, one);
  }

  /** On a LibvirtCluster that has something of its own on a host it stands until that is handed over. */
  async keep(one: LibvirtCluster): Promise<void> {
    const isBlocked = one.metadata.annotations?.[BLOCK_MOVE_ANNOTATION] !== undefined;
    if (isBlocked === hasHostParts(one)) return;
    if (isBlocked) await this.#clear(LibvirtClusterKind, one);
    else await this.#set(LibvirtClusterKind, one);
  }

  /** Runs what hands over what a paused LibvirtCluster has on its hosts, if clusterctl waits for it, and lets clusterctl go on. */
  async handOver(one: LibvirtCluster, work: () => Promise<void>): Promise<void> {
    if (one.metadata.annotations?.[BLOCK_MOVE_ANNOTATION] === undefined) return;
    await work();
    await this.#clear(LibvirtClusterKind, one);
  }

  async #end(one: LibvirtMachine): Promise<void> {
    await this.#clear(LibvirtMachineKind, one).catch((error: unknown) => {
      const { namespace, name } = one.metadata;
      const machine = `${namespace}/${name}`;
      this.#options.log.warn('Could not let clusterctl move go on; the next reconcile does', {
        machine,
        error,
      });
    });
  }

  async #set<T extends KubeObject>(kind: ResourceKind<T>, { metadata }: T): Promise<void> {
    await this.#apply(kind, metadata, { [BLOCK_MOVE_ANNOTATION]: '' });
  }

  async #clear<T extends KubeObject>(kind: ResourceKind<T>, { metadata }: T): Promise<void> {
    const { namespace = 'default', name, uid } = metadata;
    const now = await this.#options.store.get(kind, { namespace, name }, { fresh: true });
    if (now?.metadata.uid !== uid || now?.metadata.annotations?.[BLOCK_MOVE_ANNOTATION] === undefined) return;
    await this.#apply(kind, metadata, {});
  }

  /** To this very object, and none if it is gone. */
  #apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    { namespace, name, uid }: ObjectMeta,
    annotations: Record<string, string>,
  ): Promise<T> {
    const metadata = { namespace, name, uid, annotations } as ObjectMeta;
    return this.#options.store.apply(kind, { metadata } as T, { fieldManager: FIELD_MANAGER });
  }
}

/** True if it manages a network or a pool of a host, or an address there is claimed by its uid, which a move changes. */
export function hasHostParts(one: Pick<LibvirtCluster, 'spec'>): boolean {
  if (one.spec.controlPlaneEndpointRange) return true;
  return sitesOf(clusterSpecOf(one), '').some(
    ({ network, pool }) => managedNetwork(network) !== undefined || managedPool(pool) !== undefined,
  );
}

function pausedMeanwhile({ metadata: { namespace = 'default', name } }: LibvirtMachine): TransientError {
  return new TransientError({
    code: 'Conflict',
    message: `LibvirtMachine ${namespace}/${name}: its Cluster was paused`,
    fix: 'nothing to do: it goes on when the pause ends',
    retryAfterMs: 100,
  });
}
