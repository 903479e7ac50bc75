/** The set controllers as a process runs them: woken by watches only. Machines are stood in for. */

import { expect, vi } from 'vitest';
import { type Machine, MachineKind } from '../../src/api/kinds/machine.ts';
import { type MachineDeployment, MachineDeploymentKind } from '../../src/api/kinds/machine-deployment.ts';
import { MachineSetKind } from '../../src/api/kinds/machine-set.ts';
import { MachineDeploymentReconciler } from '../../src/controllers/machine-deployment/controller.ts';
import { MachineSetReconciler } from '../../src/controllers/machine-set/controller.ts';
import { affectedOwners } from '../../src/controllers/shared/claim-members.ts';
import { Controller } from '../../src/kube/runtime/controller.ts';
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
    const deployments = manager.informer(MachineDeploymentKind);
    const sets = manager.informer(MachineSetKind);
    const machines = manager.informer(MachineKind);
    machines.addHandler(() => {
      this.most = Math.max(this.most, machines.list().length);
    });
    const options = { store, recorder: { event: () => {} } };
    const deployment = new MachineDeploymentReconciler(options);
    const set = new MachineSetReconciler(options);
    const parts = { log, metrics };
    manager.add(
      new Controller({ ...parts, name: 'deployments', reconcile: (name) => deployment.reconcile(name) })
        .watch(deployments)
        .watch(sets, { keys: (one) => affectedOwners(MachineDeploymentKind, one, deployments.list()) }),
    );
    manager.add(
      new Controller({ ...parts, name: 'sets', reconcile: (name) => set.reconcile(name), concurrency: 2 })
        .watch(sets)
        .watch(machines, { keys: (one) => affectedOwners(MachineSetKind, one, sets.list()) }),
    );
    const reconcile = standInForMachines(store);
    manager.add(new Controller({ ...parts, name: 'machines', reconcile, concurrency: 4 }).watch(machines));
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
