/** `caplv controller`: the controllers of all kinds over one store, until it is stopped. */

import type { ObjectKey } from '../apimachinery/object.ts';
import { setupCertificateController } from '../controllers/certificate/setup.ts';
import { setupClusterController } from '../controllers/cluster/setup.ts';
import { setupMachineController } from '../controllers/machine/setup.ts';
import { setupMachineDeploymentController } from '../controllers/machine-deployment/setup.ts';
import { setupMachineHealthCheckController } from '../controllers/machine-health-check/setup.ts';
import { setupMachineSetController } from '../controllers/machine-set/setup.ts';
import { NodeDepartures } from '../controllers/node/departures.ts';
import { setupNodeController } from '../controllers/node/setup.ts';
import { isIn } from '../controllers/orphans/collector.ts';
import { setupOrphanSweeps } from '../controllers/orphans/setup.ts';
import type { RepairLimits } from '../controllers/shared/repair-budget.ts';
import { Manager } from '../kube/runtime/manager.ts';
import { collectProviders } from '../terraform/provider/temp-dir.ts';
import { type BothApisOptions, setupBothApis, storeOfBoth } from './both-apis.ts';
import type { Config } from './config.ts';
import { assembleEngine } from './engine.ts';
import { collectFleetMetrics, terraformRuns } from './fleet-metrics.ts';

export interface ControllerOptions extends BothApisOptions {
  readonly config: Config;
  /** Machines that are worked on side by side. */
  readonly concurrency: number;
  readonly repairs: RepairLimits;
  /** Milliseconds between two periodic plans of a machine; 0: none. */
  readonly planIntervalMs: number;
  /** Milliseconds between two sweeps for what is in no state. */
  readonly sweepMs: number;
  /** Approve requests of serving certificates that kubelets of machines make. */
  readonly approvesServingCertificates: boolean;
  /** For /healthz, /readyz and /metrics; undefined: no server. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
}

/** Resolves when `stop` aborted and all work has ended. Rejects when leadership was lost or something failed. */
export async function runController(options: ControllerOptions, stop: AbortSignal): Promise<void> {
  const { config, backend, log, metrics, listen } = options;
  const { workspaces, leaderElection, begin, nodes, servingRequests } = backend;
  const { policy } = config;
  const watched = storeOfBoth(options);
  const manager = new Manager({ store: watched, log, metrics, leaderElection, begin, listen });
  const apis = setupBothApis(manager, watched, options);
  const { original, shared, liveStore } = apis;
  const { store, recorder } = shared;

  const wake = (key: ObjectKey) => controller.notify(key);
  const departures = new NodeDepartures({ store: original.store, nodes, log, wake });

  const { engine, controller, hosts, budget, adopt } = setupMachineController(manager, {
    ...options,
    ...shared,
    policy,
    reconcilerOf: apis.reconcilerOf,
    openEngine: (hooks) =>
      assembleEngine(config, store, workspaces, {
        ...hooks,
        recorder,
        log,
        onRun: terraformRuns(metrics),
        whileRunning: apis.whileRunning,
        beforeRelease: apis.beforeRelease,
        mayBegin: leaderElection?.requireLeading,
        departures,
      }),
  });
  const reconciler = apis.clusterReconciler(engine, policy);
  apis.watch(
    controller,
    setupClusterController(manager, { ...shared, ...{ reconciler, policy, libvirt: engine.libvirt } }),
  );
  apis.serveTemplates(engine, policy);
  setupMachineSetController(manager, original);
  setupMachineDeploymentController(manager, original);
  setupMachineHealthCheckController(manager, { ...original, budget, nodes });
  setupNodeController(manager, { ...original, nodes });
  if (options.approvesServingCertificates) {
    const { libvirt } = engine;
    const { watchLibvirtMachines } = apis;
    setupCertificateController(manager, {
      ...shared,
      ...{ requests: servingRequests, policy, libvirt, watchLibvirtMachines },
    });
  }
  const isWatched = isIn(config.watchNamespaces);
  const sweeps = { ...options, ...backend, ...engine, ...shared, liveStore, policy, adopt, isWatched };
  setupOrphanSweeps(manager, sweeps);
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
