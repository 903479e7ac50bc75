/** Wires the controller that finds the Nodes of Machines: which changes it is called for. */

import { keyOf } from '../../apimachinery/object-key.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import { newController, type SetupDependencies } from '../shared/setup.ts';
import { isAwaited, NodeReconciler, type WorkloadNodes } from './controller.ts';
import { indexByNode } from './machines-of-node.ts';

export interface NodeSetup extends SetupDependencies {
  readonly nodes: WorkloadNodes;
}

/** Each may wait for the API server of a workload cluster, for seconds. */
const WORKERS = 4;

export function setupNodeController(manager: Manager, setup: NodeSetup): void {
  const { store, recorder, nodes } = setup;
  const { machines } = setup.informers;
  const machinesOf = indexByNode(machines);
  const reconciler = new NodeReconciler({ store, recorder, nodes });
  const controller = newController(setup, {
    name: 'node',
    concurrency: WORKERS,
    reconcile: (key) => reconciler.reconcile(key),
  }).watch(machines, { when: ({ object }) => isAwaited(object) });
  nodes.addHandler((node) => {
    for (const machine of machinesOf(node)) {
      if (isAwaited(machine)) controller.notify(keyOf(machine));
    }
  });
  manager.add(controller);
}
