/**
 * Wires the controllers of LibvirtMachines and LibvirtClusters: which changes they are called for. Their kinds may come after the
 * start of the process; the watches begin when they are there.
 */

import { isDeepStrictEqual } from 'node:util';
import {
  BLOCK_MOVE_ANNOTATION,
  CONTRACT_CLUSTER_LABEL,
  type ContractCluster,
  ContractClusterKind,
  type ContractMachine,
  ContractMachineKind,
  infrastructureNameOf,
} from '../../api/infrastructure/contract.ts';
import { INFRASTRUCTURE_API_VERSION } from '../../api/infrastructure/group.ts';
import { type LibvirtCluster, LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import {
  type LibvirtMachine,
  LibvirtMachineKind,
  LibvirtMachineTemplateKind,
} from '../../api/infrastructure/libvirt-machine.ts';
import type { Cluster } from '../../api/kinds/cluster.ts';
import type { Machine } from '../../api/kinds/machine.ts';
import type { Secret } from '../../api/kinds/secret.ts';
import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { keyOf, parseKey } from '../../apimachinery/object-key.ts';
import { infrastructureKey, isInfrastructure, objectName } from '../../intent/names.ts';
import type { Controller } from '../../kube/runtime/controller.ts';
import { type Change, Informer } from '../../kube/runtime/informer.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import type { Store } from '../../store/store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { secretKeys } from '../machine/mappings.ts';
import { type MachineView, machineViewOf } from '../shared/machine-view.ts';
import { desiredStateChanged, isDesired } from '../shared/predicates.ts';
import type { Recorder } from '../shared/recorder.ts';
import { cached, type Informers, newController, RESYNC_MS } from '../shared/setup.ts';
import { setupClaims } from './claim-watch.ts';
import { isServed } from './machine-reconciler.ts';
import { withLibvirtMachines } from './machine-view.ts';
import { MoveBlocks } from './move-blocks.ts';
import { MoveRecords } from './move-records.ts';
import { ProjectedStore } from './projected-store.ts';
import { LibvirtMachineTemplateReconciler, type TemplateReconcilerOptions } from './template-reconciler.ts';
import { watchWhenServed } from './watch-when-served.ts';

/** The kinds that have to be served before the current Cluster API can be. */
export const INFRASTRUCTURE_NEEDS: readonly ResourceKind[] = [
  LibvirtMachineKind,
  LibvirtMachineTemplateKind,
  LibvirtClusterKind,
  ContractMachineKind,
  ContractClusterKind,
] as readonly ResourceKind[];

export interface InfrastructureSetup {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The store itself: what it answers is so now. */
  readonly liveStore: Store;
  /** With Machines and Clusters as watches show them. */
  readonly store: Store;
  readonly informers: Informers;
  /** Whether the API server has the kinds; see `INFRASTRUCTURE_NEEDS`. */
  readonly serves: () => Promise<boolean>;
  /** Whether it has those of claims and addresses, which may come later. */
  readonly servesClaims: () => Promise<boolean>;
  /** See LibvirtMachineReconcilerOptions. */
  readonly watchFilter: string | undefined;
}

export interface Infrastructure {
  /** Machines and Clusters of both APIs, as watches show them. */
  readonly store: Store;
  /** The same as they are now. */
  readonly liveStore: Store;
  /** LibvirtMachines, LibvirtClusters and what owns them. */
  readonly ownStore: Store;
  /** Machines of both APIs. */
  readonly machines: MachineView;
  readonly records: MoveRecords;
  readonly blocks: MoveBlocks;
  /** See InfrastructureSetup. */
  readonly servesClaims: () => Promise<boolean>;
  readonly watchMachines: (controller: Controller) => void;
  readonly watchClusters: (controller: Controller) => void;
  /** Has a controller of Clusters by name called for those of LibvirtMachines that are served here. */
  readonly watchMembers: (
    controller: Controller,
    when: (change: Change<Pick<LibvirtMachine, 'status'>>) => boolean,
  ) => void;
  /** Adds the controller of LibvirtMachineTemplates, which asks hosts what they are. */
  readonly serveTemplates: (hosts: TemplateHosts) => void;
}

export type TemplateHosts = Pick<TemplateReconcilerOptions, 'archOf' | 'defaultHost'>;

export function setupInfrastructure(manager: Manager, setup: InfrastructureSetup): Infrastructure {
  const { log, liveStore, serves, servesClaims, informers } = setup;
  const resync = { resyncMs: RESYNC_MS };
  const machines = new Informer(liveStore, LibvirtMachineKind, log, resync);
  const clusters = new Informer(liveStore, LibvirtClusterKind, log, resync);
  const owners = new Informer(liveStore, ContractMachineKind, log);
  const ownerClusters = new Informer(liveStore, ContractClusterKind, log);
  machines.addIndex('cluster', clusterKeys);
  owners.addIndex('secret', secretKeys);
  machines.addIndex('secret', keySecretKeys);
  const templates = new Informer(liveStore, LibvirtMachineTemplateKind, log);
  const all = [machines, clusters, owners, ownerClusters];
  manager.add({
    name: 'infrastructure',
    run: (signal) =>
      watchWhenServed(
        [...all, templates] as never,
        { log, serves, message: 'Serving the current Cluster API' },
        signal,
      ),
  });

  const claims = setupClaims(manager, { log, liveStore, serves: servesClaims });
  const ownStore = cached(liveStore, ...all, ...claims.informers);
  const records = new MoveRecords(liveStore);
  const ofCluster = ({ metadata }: KubeObject): ObjectKey[] =>
    machines.byIndex('cluster', `${metadata.namespace}/${metadata.name}`).map(projectedKey);
  return {
    ownStore,
    servesClaims,
    store: new ProjectedStore({ store: setup.store, infrastructure: ownStore, serves, records }),
    liveStore: new ProjectedStore({ store: liveStore, serves }),
    records,
    blocks: new MoveBlocks({ store: liveStore, log }),
    machines: withLibvirtMachines(machineViewOf(informers.machines), machines),
    watchMachines: (controller) => {
      wakeWhenReadable(all, informers.machines, controller);
      controller
        .watch(machines, { when: machineChanged, isDesired, keys: (one) => [projectedKey(one)] })
        .watch(owners, { when: contractChanged, isDesired, keys: machinesOfOwner })
        .watch(ownerClusters, { when: contractChanged, isDesired, keys: ofCluster })
        .watch(clusters, {
          when: desiredStateChanged,
          isDesired,
          keys: (one) => clustersOf(ownerClusters, one).flatMap(ofCluster),
        })
        .watch(informers.secrets, {
          isDesired: ({ type }) => type !== 'RESYNC',
          keys: (secret) => [...machinesOfSecret(owners, secret), ...machinesOfKeySecret(machines, secret)],
        });
      claims.watch(controller);
    },
    watchMembers: (controller, when) => {
      const { watchFilter } = setup;
      controller.watch(machines, {
        when: (change) => isServed(change.object, watchFilter) && when(change),
        keys: (one) => clusterKeys(one).map(parseKey),
      });
    },
    serveTemplates: (hosts) => {
      const { watchFilter } = setup;
      const options = { store: liveStore, infrastructure: ownStore, watchFilter, ...hosts };
      const reconciler = new LibvirtMachineTemplateReconciler(options);
      const name = 'libvirtmachinetemplate';
      const controller = newController(setup, { name, reconcile: (key) => reconciler.reconcile(key) });
      // Those of its Cluster have its hosts.
      const beside = ({ metadata }: KubeObject) => templates.list(metadata.namespace).map(keyOf);
      controller
        .watch(templates, { when: desiredStateChanged, isDesired })
        .watch(clusters, { when: desiredStateChanged, isDesired, keys: beside })
        .watch(ownerClusters, { when: contractChanged, isDesired, keys: beside });
      manager.add(controller);
    },
    watchClusters: (controller) => {
      wakeWhenReadable(all, informers.clusters, controller);
      controller
        .watch(clusters, {
          when: desiredStateChanged,
          isDesired,
          keys: (changed) => [changed, ...clusters.list().filter(isDisputing)].map(projectedKey),
        })
        .watch(ownerClusters, { when: contractChanged, isDesired, keys: clusterOfOwner })
        .watch(machines, {
          when: ({ type }) => type === 'DELETED',
          isDesired,
          keys: (gone) =>
            clusters
              .list()
              .filter((one) => one.metadata.namespace === gone.metadata.namespace || isDisputing(one))
              .map(projectedKey),
        });
    },
  };
}

/** Objects of the original API that wait for the right to read those of the current one, which nothing tells of, go on when it is there. */
function wakeWhenReadable(
  infrastructure: readonly Pick<Informer, 'whenSynced'>[],
  waiting: Pick<Informer<Machine | Cluster>, 'list'>,
  controller: Pick<Controller, 'enqueue'>,
): void {
  void Promise.all(infrastructure.map((informer) => informer.whenSynced())).then(() => {
    for (const { metadata, status } of waiting.list())
      if (status?.conditions?.some(({ reason }) => reason === 'NotAllowed'))
        controller.enqueue(keyOf({ metadata }));
  });
}

/** Names the object as Kubernetes does in what is told of it. */
export function infrastructureRecorder(recorder: Recorder): Recorder {
  return {
    event: (object, event) => {
      if (!isInfrastructure(object.metadata)) return recorder.event(object, event);
      const metadata = { ...object.metadata, name: objectName(object.metadata) };
      const kind = `Libvirt${object.kind}`;
      recorder.event({ ...object, apiVersion: INFRASTRUCTURE_API_VERSION, kind, metadata }, event);
    },
  };
}

/** As `desiredStateChanged`; what says that Terraform runs is no news. */
export function machineChanged(change: Change<LibvirtMachine>): boolean {
  const { object, before } = change;
  return desiredStateChanged({
    ...change,
    object: withoutBlock(object),
    ...(before && { before: withoutBlock(before) }),
  });
}

function withoutBlock(one: LibvirtMachine): LibvirtMachine {
  const { [BLOCK_MOVE_ANNOTATION]: _, ...annotations } = one.metadata.annotations ?? {};
  return { ...one, metadata: { ...one.metadata, annotations } };
}

/** True for changes of what is read of an object of Cluster API: its status changes often, and says little to us. */
export function contractChanged({ type, object, before }: Change<KubeObject>): boolean {
  return type !== 'MODIFIED' || !before || !isDeepStrictEqual(contentOf(object), contentOf(before));
}

function contentOf({ metadata, ...content }: KubeObject): unknown {
  const { resourceVersion: _, generation: __, ...named } = metadata;
  return [named, content];
}

function projectedKey(object: KubeObject): ObjectKey {
  return infrastructureKey(keyOf(object));
}

function clusterKeys({ metadata }: LibvirtMachine): string[] {
  const name = metadata.labels?.[CONTRACT_CLUSTER_LABEL];
  return name === undefined ? [] : [`${metadata.namespace}/${name}`];
}

function machinesOfOwner(owner: ContractMachine): ObjectKey[] {
  const name = infrastructureNameOf(owner, LibvirtMachineKind);
  return name === undefined ? [] : [infrastructureKey({ ...keyOf(owner), name })];
}

function machinesOfSecret(owners: Informer<ContractMachine>, { metadata }: Secret): ObjectKey[] {
  return owners.byIndex('secret', `${metadata.namespace}/${metadata.name}`).flatMap(machinesOfOwner);
}

/** Index `secret` of LibvirtMachines: the Secret of public keys. */
function keySecretKeys({ metadata, spec }: LibvirtMachine): string[] {
  const name = spec.sshAuthorizedKeysSecretName;
  return name === undefined ? [] : [`${metadata.namespace}/${name}`];
}

function machinesOfKeySecret(machines: Informer<LibvirtMachine>, { metadata }: Secret): ObjectKey[] {
  return machines.byIndex('secret', `${metadata.namespace}/${metadata.name}`).map(projectedKey);
}

function clusterOfOwner(owner: ContractCluster): ObjectKey[] {
  const name = infrastructureNameOf(owner, LibvirtClusterKind);
  return name === undefined ? [] : [infrastructureKey({ ...keyOf(owner), name })];
}

function clustersOf(owners: Informer<ContractCluster>, { metadata }: LibvirtCluster): ContractCluster[] {
  return owners
    .list(metadata.namespace)
    .filter((one) => infrastructureNameOf(one, LibvirtClusterKind) === metadata.name);
}

/** Waits for a name or an address on a host, which another one may have let go. */
function isDisputing({ status }: LibvirtCluster): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.reason === 'NotOwned' || ready?.reason === 'AddressInUse';
}
