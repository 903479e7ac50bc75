/** Runs the set controllers, triggered by watches only, with a stand-in for machines. */

import { expect, vi } from 'vitest';
import type { Machine } from '../../src/api/kinds/machine.ts';
import type { MachineDeployment } from '../../src/api/kinds/machine-deployment.ts';
import { setupMachineDeploymentController } from '../../src/controllers/machine-deployment/setup.ts';
import { setupMachineSetController } from '../../src/controllers/machine-set/setup.ts';
import { newController, setupDependencies } from '../../src/controllers/shared/setup.ts';
import type { Informer } from '../../src/kube/runtime/informer.ts';
import { Manager } from '../../src/kube/runtime/manager.ts';
import type { Store } from '../../src/store/store.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { capturedLog } from '../telemetry/log-lines.ts';
import { standInForMachines } from './machine-stand-in.ts';
import { key, NAMESPACE } from './world.ts';

export class RunningControllers {
  readonly machines: Informer<Machine>;
  readonly deployments: Informer<MachineDeployment>;
  /** Most machines that were there at once. */
  most = 0;
  private readonly captured = capturedLog();
  private readonly stopping = new AbortController();
  private readonly ended: Promise<void>;

  constructor(store: Store) {
    const { log } = this.captured;
    const metrics = new Metrics();
    const manager = new Manager({ store, log, metrics });
    const setup = setupDependencies(manager, {
      log,
      metrics,
      recorder: { event: () => {} },
      liveStore: store,
    });
    const { machines, deployments } = setup.informers;
    machines.addHandler(() => {
      this.most = Math.max(this.most, machines.list().length);
    });
    setupMachineSetController(manager, setup);
    setupMachineDeploymentController(manager, setup);
    const reconcile = standInForMachines(store);
    manager.add(newController(setup, { name: 'machines', reconcile, concurrency: 4 }).watch(machines));
    this.machines = machines;
    this.deployments = deployments;
    this.ended = manager.run(this.stopping.signal);
  }

  /** Ends them. Fails if one of them logged an error. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.ended;
    expect(this.captured.lines.filter(({ level }) => level === 'error')).toEqual([]);
  }

  names(): string[] {
    const machines = this.machines.list(NAMESPACE);
    return machines.map(({ metadata }) => metadata.name).sort();
  }

  vcpus(): unknown[] {
    return this.machines.list(NAMESPACE).map(({ spec }) => spec.providerSpec['vcpu']);
  }

  /** Resolves when the rollout of `workers` is done, as `kubectl rollout status` would decide it. */
  async untilDone(replicas: number): Promise<void> {
    const done = { replicas, updatedReplicas: replicas, availableReplicas: replicas };
    await vi.waitFor(
      () => {
        const { metadata, spec, status } = this.deployments.get(key('workers')) ?? {};
        expect(spec?.replicas).toBe(replicas);
        expect(status).toMatchObject({ ...done, observedGeneration: metadata?.generation });
        expect(this.names()).toHaveLength(replicas);
      },
      { timeout: 60_000, interval: 50 },
    );
  }
}
