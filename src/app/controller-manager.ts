/** `caplv controller`: the controllers of all kinds over one store, until it is stopped. */

import { setupClusterController } from '../controllers/cluster/setup.ts';
import { setupMachineController } from '../controllers/machine/setup.ts';
import { setupMachineDeploymentController } from '../controllers/machine-deployment/setup.ts';
import { setupMachineHealthCheckController } from '../controllers/machine-health-check/setup.ts';
import { setupMachineSetController } from '../controllers/machine-set/setup.ts';
import { setupNodeController } from '../controllers/node/setup.ts';
import { setupOrphanSweeps } from '../controllers/orphans/setup.ts';
import type { RepairLimits } from '../controllers/shared/repair-budget.ts';
import { setupDependencies } from '../controllers/shared/setup.ts';
import { Manager } from '../kube/runtime/manager.ts';
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
  /** For /healthz, /readyz and /metrics; undefined: no server. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
}

/** Resolves when `stop` aborted and all work has ended. Rejects when leadership was lost or something failed. */
export async function runController(options: ControllerOptions, stop: AbortSignal): Promise<void> {
  const { config, backend, log, metrics, listen } = options;
  const { store: liveStore, installation, workspaces, recorder, leaderElection, nodes } = backend;
  const { policy } = config;
  const manager = new Manager({ store: liveStore, log, metrics, leaderElection, listen });
  const shared = setupDependencies(manager, { log, metrics, recorder, liveStore });
  const store = Object.assign(shared.store, { installation });

  const { engine, hosts, budget, adopt } = setupMachineController(manager, {
    ...options,
    ...shared,
    policy,
    openEngine: (hooks) =>
      assembleEngine(config, store, workspaces, {
        ...hooks,
        recorder,
        log,
        onRun: terraformRuns(metrics),
        mayBegin: leaderElection?.requireLeading,
      }),
  });
  setupClusterController(manager, { ...shared, reconciler: engine.clusters });
  setupMachineSetController(manager, shared);
  setupMachineDeploymentController(manager, shared);
  setupMachineHealthCheckController(manager, { ...shared, budget, nodes });
  if (nodes) setupNodeController(manager, { ...shared, nodes });
  setupOrphanSweeps(manager, { ...options, ...backend, ...engine, ...shared, policy, adopt });
  const { providers, terraform } = engine;
  const machines = () => shared.informers.machines.list();
  collectFleetMetrics(metrics, { machines, hosts, providers, slots: terraform.slots });

  await collectProviders();
  try {
    await manager.run(stop);
  } finally {
    await engine.close();
  }
}
