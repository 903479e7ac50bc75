/** Wires the controller of MachineHealthChecks: which changes it is called for. */

import type { Machine } from '../../api/kinds/machine.ts';
import type { MachineHealthCheck } from '../../api/kinds/machine-health-check.ts';
import { selects } from '../../api/kinds/machine-template.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import type { Change, Informer } from '../../kube/runtime/informer.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import { indexByNode } from '../node/machines-of-node.ts';
import type { WorkloadNodes } from '../node/workload-node.ts';
import { desiredStateChanged, isDesired } from '../shared/predicates.ts';
import type { RepairBudget } from '../shared/repair-budget.ts';
import { newController, type SetupDependencies } from '../shared/setup.ts';
import { MachineHealthCheckReconciler } from './controller.ts';
import { HealthCheckMetrics } from './metrics.ts';

export interface MachineHealthCheckSetup extends SetupDependencies {
  readonly budget: RepairBudget;
  readonly nodes: WorkloadNodes | undefined;
}

/** Each may wait for the API server of a workload cluster, for seconds. */
const WORKERS = 4;

export function setupMachineHealthCheckController(manager: Manager, setup: MachineHealthCheckSetup): void {
  const { store, recorder, metrics, budget, nodes } = setup;
  const { checks, machines } = setup.informers;
  const machinesOf = indexByNode(machines);
  const reconciler = new MachineHealthCheckReconciler({
    store,
    recorder,
    budget,
    metrics: new HealthCheckMetrics(metrics, () => checks.list()),
    nodes,
  });
  const controller = newController(setup, {
    name: 'machinehealthcheck',
    concurrency: WORKERS,
    reconcile: (key) => reconciler.reconcile(key),
  })
    .watch(checks, { when: desiredStateChanged, isDesired })
    .watch(machines, { when: healthChanged, keys: (machine) => checksOfMachine(checks, machine) });
  nodes?.addHandler((node) => {
    for (const machine of machinesOf(node)) {
      for (const key of checksOfMachine(checks, machine)) controller.notify(key);
    }
  });
  manager.add(controller);
}

/** MachineHealthChecks that select the Machine; which Cluster they mean is for them to find out. */
function checksOfMachine(
  checks: Informer<MachineHealthCheck>,
  { metadata }: Pick<Machine, 'metadata'>,
): ObjectKey[] {
  return checks
    .list(metadata.namespace)
    .filter(({ spec }) => selects(spec.selector, metadata.labels))
    .map(keyOf);
}

/** True for a change of what a MachineHealthCheck goes by. */
function healthChanged(change: Change<Machine>): boolean {
  const { object, before } = change;
  return desiredStateChanged(change) || (before !== undefined && healthText(object) !== healthText(before));
}

function healthText({ status }: Machine): string {
  const conditions = (status?.conditions ?? []).map(({ type, status: is, reason }) => [type, is, reason]);
  return JSON.stringify([conditions, status?.nodeRef?.name, status?.errorReason]);
}
