/** Wires the controller of the Nodes of Machines: which changes it is called for. */

import { isDeepStrictEqual } from 'node:util';
import type { Machine } from '../../api/kinds/machine.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import type { Change } from '../../kube/runtime/informer.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import { newController, type SetupDependencies } from '../shared/setup.ts';
import { mayHaveNode, NodeReconciler } from './controller.ts';
import { indexByNode } from './machines-of-node.ts';
import { wantedOfNode } from './metadata.ts';
import type { WorkloadNodes } from './workload-node.ts';

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
  }).watch(machines, { when: concernsNode });
  nodes.addHandler((node) => {
    for (const machine of machinesOf(node)) {
      if (mayHaveNode(machine)) controller.notify(keyOf(machine));
    }
  });
  manager.add(controller);
}

/** True while the Machine waits for its Node, and when what it gives the Node has changed. */
function concernsNode({ type, object, before }: Change<Machine>): boolean {
  if (!mayHaveNode(object)) return false;
  if (!object.status?.nodeRef || type !== 'MODIFIED' || !before) return true;
  return !isDeepStrictEqual(wantedOfNode(object), wantedOfNode(before));
}
