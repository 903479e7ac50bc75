/** The LibvirtCluster controller: the guards of Cluster API's contract, then the same reconcile that a Cluster of the original API has. */

import { MANAGED_BY_LABEL } from '../../api/infrastructure/contract.ts';
import { type LibvirtCluster, LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import { ClusterKind, type ClusterStatus } from '../../api/kinds/cluster.ts';
import { setCondition } from '../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { objectKey } from '../../intent/names.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { Store } from '../../store/store.ts';
import type { ClusterReconciler } from '../cluster/controller.ts';
import { FIELD_MANAGER } from '../machine/scope/scope.ts';
import type { Reason } from '../shared/conditions.ts';
import { asCluster } from './cluster-projection.ts';
import type { ControlPlaneEndpoints } from './control-plane-endpoints.ts';
import { isServed } from './machine-reconciler.ts';
import type { MoveBlocks } from './move-blocks.ts';
import { isPaused, otherOwner, ownerOfCluster } from './owners.ts';

export interface LibvirtClusterReconcilerOptions {
  /** Of the kinds of the current Cluster API. */
  readonly infrastructure: Pick<Store, 'get'>;
  /** Where LibvirtClusters stand among the Clusters: see `ProjectedStore`. */
  readonly store: Pick<Store, 'applyStatus'>;
  readonly clusters: Pick<ClusterReconciler, 'reconcile'>;
  readonly blocks: Pick<MoveBlocks, 'keep'>;
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
    const { infrastructure, clusters, endpoints, watchFilter } = this.#options;
    const one = await infrastructure.get(LibvirtClusterKind, objectKey(key));
    // What another system manages is not touched, nor is its status.
    if (!one || !isServed(one, watchFilter) || one.metadata.labels?.[MANAGED_BY_LABEL] !== undefined)
      return {};
    const owner = await ownerOfCluster(infrastructure, one);
    if (!one.metadata.deletionTimestamp) await this.#options.blocks.keep(one);
    if (isPaused(one, owner)) return this.#wait(key, one, 'Paused', '');
    if (one.metadata.deletionTimestamp || owner) return clusters.reconcile(key, endpoints.of(one, owner));
    const message = `no Cluster of cluster.x-k8s.io owns it${otherOwner(one, 'Cluster')}; one whose spec.infrastructureRef names it sets the reference`;
    return this.#wait(key, one, 'WaitingForOwner', message);
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
