/** The LibvirtCluster controller: the guards of Cluster API's contract, then the same reconcile that a Cluster of the original API has. */

import { MANAGED_BY_LABEL } from '../../api/infrastructure/contract.ts';
import { type LibvirtCluster, LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import { ClusterKind, type ClusterStatus } from '../../api/kinds/cluster.ts';
import { setCondition } from '../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { CaplvError } from '../../errors.ts';
import { objectKey } from '../../intent/names.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { Store } from '../../store/store.ts';
import type { ClusterReconciler } from '../cluster/controller.ts';
import { FIELD_MANAGER } from '../machine/scope/scope.ts';
import type { Reason } from '../shared/conditions.ts';
import { asCluster } from './cluster-projection.ts';
import type { ControlPlaneEndpoints } from './control-plane-endpoints.ts';
import type { HostHandover } from './host-handover.ts';
import { isServed } from './machine-reconciler.ts';
import { hasHostParts, type MoveBlocks } from './move-blocks.ts';
import { isPaused, otherOwner, ownerOfCluster } from './owners.ts';

export interface LibvirtClusterReconcilerOptions {
  /** Of the kinds of the current Cluster API. */
  readonly infrastructure: Pick<Store, 'get'>;
  /** Where LibvirtClusters stand among the Clusters: see `ProjectedStore`. */
  readonly store: Pick<Store, 'applyStatus'>;
  readonly clusters: Pick<ClusterReconciler, 'reconcile'>;
  readonly blocks: Pick<MoveBlocks, 'keep' | 'handOver'>;
  readonly handover: Pick<HostHandover, 'prepare' | 'handOver' | 'takingOver' | 'end' | 'remove'>;
  readonly endpoints: Pick<ControlPlaneEndpoints, 'of'>;
  /** See LibvirtMachineReconcilerOptions. */
  readonly watchFilter: string | undefined;
}

export class LibvirtClusterReconciler {
  readonly #options: LibvirtClusterReconcilerOptions;

  constructor(options: LibvirtClusterReconcilerOptions) {
    this.#options = options;
  }

  /** `key`: see `infrastructureKey`. Throws TransientError or TerminalError; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const { infrastructure, clusters, endpoints, blocks, handover, watchFilter } = this.#options;
    const one = await infrastructure.get(LibvirtClusterKind, objectKey(key));
    // What another system manages is not touched, nor is its status.
    if (!one || !isServed(one, watchFilter) || one.metadata.labels?.[MANAGED_BY_LABEL] !== undefined)
      return {};
    const owner = await ownerOfCluster(infrastructure, one);
    if (isPaused(one, owner)) return this.#pause(key, one);
    const isGoing = one.metadata.deletionTimestamp !== undefined;
    const record = hasHostParts(one) ? await handover.prepare(one) : undefined;
    if (!isGoing) await blocks.keep(one);
    if (isGoing || owner) {
      const takeOver = record && handover.takingOver(one, record);
      const result = await clusters.reconcile(key, { claims: endpoints.of(one, owner), takeOver });
      const isDone = result.requeueAfterMs === undefined;
      if (record && isGoing && isDone) await handover.remove(one);
      else if (takeOver && isDone) await handover.end(one);
      return result;
    }
    const message = `no Cluster of cluster.x-k8s.io owns it${otherOwner(one, 'Cluster')}; one whose spec.infrastructureRef names it sets the reference`;
    return this.#wait(key, one, 'WaitingForOwner', message);
  }

  /** `clusterctl move` pauses before it moves: what it waits for is done then. */
  async #pause(key: ObjectKey, one: LibvirtCluster): Promise<Result> {
    const { blocks, handover } = this.#options;
    if (one.metadata.deletionTimestamp) return this.#wait(key, one, 'Paused', '');
    try {
      await blocks.handOver(one, () => handover.handOver(one));
    } catch (error) {
      if (!(error instanceof CaplvError)) throw error;
      await this.#wait(key, one, 'Paused', [`clusterctl move waits: ${error.message}`, error.fix].join('; '));
      throw error;
    }
    return this.#wait(key, one, 'Paused', '');
  }

  async #wait(key: ObjectKey, one: LibvirtCluster, reason: Reason, message: string): Promise<Result> {
    const { generation } = one.metadata;
    const before = asCluster(one).status;
    const ready = {
      ...({ type: 'Ready', status: 'False', reason, message } as const),
      ...(generation !== undefined && { observedGeneration: generation }),
    };
    const status: ClusterStatus = {
      ...before,
      phase: before?.phase ?? 'Pending',
      conditions: setCondition(before?.conditions, ready, new Date().toISOString()),
    };
    await this.#options.store.applyStatus(ClusterKind, key, status, { fieldManager: FIELD_MANAGER, before });
    return {};
  }
}
