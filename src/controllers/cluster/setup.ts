/** Wires the controller of Clusters: which changes it is called for. */

import type { Cluster } from '../../api/kinds/cluster.ts';
import { clusterNameOf, type Machine } from '../../api/kinds/machine.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import type { Controller } from '../../kube/runtime/controller.ts';
import type { Informer } from '../../kube/runtime/informer.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import { DependencyWatcher } from '../machine/waits/dependency-waits.ts';
import type { OpenHosts } from '../machine/waits/file-probe.ts';
import { desiredStateChanged, isDesired } from '../shared/predicates.ts';
import { newController, type SetupDependencies, TERRAFORM_STUCK_MS } from '../shared/setup.ts';
import type { ClusterReconciler } from './controller.ts';

export interface ClusterSetup extends SetupDependencies, OpenHosts {
  readonly reconciler: Pick<ClusterReconciler, 'reconcile'>;
}

const WORKERS = 2;

export function setupClusterController(manager: Manager, setup: ClusterSetup): Controller {
  const { reconciler, libvirt, policy } = setup;
  const { clusters, machines } = setup.informers;
  const waiting = new DependencyWatcher({ libvirt, policy, onAppearance: (key) => controller.enqueue(key) });
  const controller: Controller = newController(setup, {
    name: 'cluster',
    concurrency: WORKERS,
    reconcile: (key, context) => waiting.reconcile(key, context, () => reconciler.reconcile(key)),
    stuckAfterMs: TERRAFORM_STUCK_MS,
  })
    .watch(clusters, {
      when: desiredStateChanged,
      isDesired,
      keys: (changed) => affectedClusters(clusters, changed),
    })
    .watch(machines, {
      when: ({ type }) => type === 'DELETED',
      isDesired,
      keys: (gone) => clustersOfMachine(clusters, gone),
    });
  manager.add(waiting);
  manager.add(controller);
  return controller;
}

/** The Cluster itself, and those that a name of their own on a host has to wait for: it may have been this one's. */
function affectedClusters(clusters: Informer<Cluster>, changed: KubeObject): ObjectKey[] {
  const disputing = clusters.list().filter(({ status }) => status?.errorReason === 'NotOwned');
  return [changed, ...disputing].map(keyOf);
}

/** The Cluster that the Machine names; of one that names none, every one of its namespace. */
function clustersOfMachine(clusters: Informer<Cluster>, { metadata, spec }: Machine): ObjectKey[] {
  const { namespace = 'default' } = metadata;
  const name = clusterNameOf({ metadata, spec });
  return name === undefined ? clusters.list(namespace).map(keyOf) : [{ namespace, name }];
}
