/** What the setup functions of all kinds are given, and how each makes its controller. */

import type { Cluster } from '../../api/kinds/cluster.ts';
import { ClusterKind } from '../../api/kinds/cluster.ts';
import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { type MachineDeployment, MachineDeploymentKind } from '../../api/kinds/machine-deployment.ts';
import { type MachineHealthCheck, MachineHealthCheckKind } from '../../api/kinds/machine-health-check.ts';
import { type MachineSet, MachineSetKind } from '../../api/kinds/machine-set.ts';
import { type Secret, SecretMetadataKind } from '../../api/kinds/secret.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { CachedStore } from '../../kube/runtime/cached-store.ts';
import { Controller, type ControllerOptions } from '../../kube/runtime/controller.ts';
import type { Informer } from '../../kube/runtime/informer.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import type { Store } from '../../store/store.ts';
import type { Flow } from '../../system/fair-queue.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Recorder } from './recorder.ts';

/** The objects that are watched: one watch for each kind, whoever needs it. */
export interface Informers {
  readonly machines: Informer<Machine>;
  readonly clusters: Informer<Cluster>;
  readonly sets: Informer<MachineSet>;
  readonly deployments: Informer<MachineDeployment>;
  readonly checks: Informer<MachineHealthCheck>;
  /** Without their data. */
  readonly secrets: Informer<Secret>;
}

export interface SetupOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly recorder: Recorder;
  /** The store itself: what it answers is so now. */
  readonly liveStore: Store;
}

export interface SetupDependencies extends SetupOptions {
  readonly informers: Informers;
  /** The same, with Machines and Clusters as watches show them. */
  readonly store: Store;
}

/** A run of terraform may upload a large image; one that makes no progress is ended by its watchdog much earlier. */
export const TERRAFORM_STUCK_MS = 6 * 3_600_000;
/** Each object is reconciled this often although nothing happened: cheap. */
export const RESYNC_MS = 10 * 60_000;

/** Begins the watches of all kinds, and adds what is read of them. */
export function setupDependencies(manager: Manager, options: SetupOptions): SetupDependencies {
  const resync = { resyncMs: RESYNC_MS };
  const informers = {
    machines: manager.informer(MachineKind, resync),
    clusters: manager.informer(ClusterKind, resync),
    sets: manager.informer(MachineSetKind, resync),
    deployments: manager.informer(MachineDeploymentKind, resync),
    checks: manager.informer(MachineHealthCheckKind, resync),
    secrets: manager.informer(SecretMetadataKind),
  };
  return { ...options, informers, store: cached(options.liveStore, informers.machines, informers.clusters) };
}

/** Returns a store that reads what these informers know, see `CachedStore`. */
export function cached(store: Store, ...informers: readonly Pick<Informer, 'kind'>[]): Store {
  return new CachedStore(store, informers as readonly Informer[]);
}

/** Makes a controller whose objects take turns by namespace, unless `flowOf` says otherwise. */
export function newController(
  { log, metrics }: Pick<SetupDependencies, 'log' | 'metrics'>,
  options: Omit<ControllerOptions, 'log' | 'metrics'>,
): Controller {
  return new Controller({ log, metrics, flowOf: flowOfNamespace, ...options });
}

export function flowOfNamespace({ namespace }: ObjectKey): Flow {
  return { group: namespace, name: '' };
}
