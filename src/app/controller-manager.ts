/** `caplv controller`: the controllers of all kinds over one store, until it is stopped. */

import { CLUSTER_API_KINDS } from '../api/kinds/registry.ts';
import { setupClusterController } from '../controllers/cluster/setup.ts';
import { byApi } from '../controllers/infrastructure/by-api.ts';
import { LibvirtClusterReconciler } from '../controllers/infrastructure/cluster-reconciler.ts';
import { LibvirtMachineReconciler } from '../controllers/infrastructure/machine-reconciler.ts';
import {
  INFRASTRUCTURE_NEEDS,
  infrastructureRecorder,
  setupInfrastructure,
} from '../controllers/infrastructure/setup.ts';
import { setupMachineController } from '../controllers/machine/setup.ts';
import { setupMachineDeploymentController } from '../controllers/machine-deployment/setup.ts';
import { setupMachineHealthCheckController } from '../controllers/machine-health-check/setup.ts';
import { setupMachineSetController } from '../controllers/machine-set/setup.ts';
import { setupNodeController } from '../controllers/node/setup.ts';
import { isIn } from '../controllers/orphans/collector.ts';
import { setupOrphanSweeps } from '../controllers/orphans/setup.ts';
import { machineViewOf } from '../controllers/shared/machine-view.ts';
import type { RepairLimits } from '../controllers/shared/repair-budget.ts';
import { setupDependencies } from '../controllers/shared/setup.ts';
import { LateKindsStore } from '../kube/runtime/late-kinds-store.ts';
import { Manager } from '../kube/runtime/manager.ts';
import { rememberServed } from '../kube/runtime/served.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { collectProviders } from '../terraform/provider/temp-dir.ts';
import type { Backend } from './backend.ts';
import type { Config } from './config.ts';
import { assembleEngine } from './engine.ts';
import { collectFleetMetrics, terraformRuns } from './fleet-metrics.ts';

export interface ControllerOptions {
  readonly config: Config;
  readonly backend: Backend;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Machines that are worked on side by side. */
  readonly concurrency: number;
  readonly repairs: RepairLimits;
  /** Milliseconds between two periodic plans of a machine; 0: none. */
  readonly planIntervalMs: number;
  /** Milliseconds between two sweeps for what is in no state. */
  readonly sweepMs: number;
  /** Serve only those objects of the current Cluster API whose label watch-filter has this value; undefined: all. */
  readonly watchFilter?: string | undefined;
  /** For /healthz, /readyz and /metrics; undefined: no server. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
}

/** Resolves when `stop` aborted and all work has ended. Rejects when leadership was lost or something failed. */
export async function runController(options: ControllerOptions, stop: AbortSignal): Promise<void> {
  const { config, backend, log, metrics, listen, watchFilter } = options;
  const { installation, workspaces, leaderElection, begin, nodes, serves } = backend;
  const liveStore = serves
    ? new LateKindsStore({ store: backend.store, kinds: CLUSTER_API_KINDS, serves, log })
    : backend.store;
  const { policy } = config;
  const manager = new Manager({ store: liveStore, log, metrics, leaderElection, begin, listen });
  const recorder = infrastructureRecorder(backend.recorder);
  const original = setupDependencies(manager, { log, metrics, recorder, liveStore });
  const infrastructure =
    serves &&
    setupInfrastructure(manager, {
      ...original,
      serves: rememberServed(() => serves(INFRASTRUCTURE_NEEDS)),
      watchFilter,
    });
  // With the machines and clusters of both APIs, for what serves both, or has to know of both.
  const shared = {
    ...original,
    store: infrastructure?.store ?? original.store,
    machines: infrastructure?.machines ?? machineViewOf(original.informers.machines),
  };
  const store = Object.assign(shared.store, { installation });

  const { engine, controller, hosts, budget, adopt } = setupMachineController(manager, {
    ...options,
    ...shared,
    policy,
    reconcilerOf:
      infrastructure &&
      ((machines) =>
        byApi(
          machines,
          new LibvirtMachineReconciler({
            infrastructure: infrastructure.ownStore,
            store,
            machines,
            watchFilter,
          }),
        )),
    openEngine: (hooks) =>
      assembleEngine(config, store, workspaces, {
        ...hooks,
        recorder,
        log,
        onRun: terraformRuns(metrics),
        mayBegin: leaderElection?.requireLeading,
      }),
  });
  const clusters = infrastructure
    ? byApi(
        engine.clusters,
        new LibvirtClusterReconciler({
          infrastructure: infrastructure.ownStore,
          store,
          clusters: engine.clusters,
          watchFilter,
        }),
      )
    : engine.clusters;
  const clusterController = setupClusterController(manager, { ...shared, reconciler: clusters });
  infrastructure?.watchMachines(controller);
  infrastructure?.watchClusters(clusterController);
  setupMachineSetController(manager, original);
  setupMachineDeploymentController(manager, original);
  setupMachineHealthCheckController(manager, { ...original, budget, nodes });
  if (nodes) setupNodeController(manager, { ...original, nodes });
  const isWatched = isIn(config.watchNamespaces);
  const sweeps = { ...options, ...backend, ...engine, ...shared, recorder, policy, adopt, isWatched };
  setupOrphanSweeps(manager, { ...sweeps, liveStore: infrastructure?.liveStore ?? liveStore });
  const { providers, terraform } = engine;
  const machines = () => shared.machines.list();
  collectFleetMetrics(metrics, { machines, hosts, providers, slots: terraform.slots });

  await collectProviders();
  try {
    await manager.run(stop);
  } finally {
    await engine.close();
  }
}
