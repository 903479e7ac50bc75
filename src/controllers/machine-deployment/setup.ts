/** Wires the controller of MachineDeployments: which changes it is called for. */

import { MachineDeploymentKind } from '../../api/kinds/machine-deployment.ts';
import { type MachineSet, MachineSetKind } from '../../api/kinds/machine-set.ts';
import { controllerKeys } from '../../apimachinery/owner-reference.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import { nodeReadinessChanged } from '../shared/availability.ts';
import { affectedOwners } from '../shared/claim-members.ts';
import { desiredStateChanged, isDesired } from '../shared/predicates.ts';
import { newController, type SetupDependencies } from '../shared/setup.ts';
import { MachineDeploymentReconciler } from './controller.ts';

const WORKERS = 2;

export function setupMachineDeploymentController(manager: Manager, setup: SetupDependencies): void {
  const { liveStore, recorder } = setup;
  const { deployments, machines, sets } = setup.informers;
  const setsOf = controllerKeys(MachineSetKind);
  const deploymentsOf = (set: MachineSet | undefined) =>
    set ? affectedOwners(MachineDeploymentKind, set, deployments.list()) : [];
  const reconciler = new MachineDeploymentReconciler({ store: liveStore, recorder });
  const controller = newController(setup, {
    name: 'machinedeployment',
    concurrency: WORKERS,
    reconcile: (key) => reconciler.reconcile(key),
  })
    .watch(deployments, { when: desiredStateChanged, isDesired })
    .watch(sets, { keys: deploymentsOf })
    // A MachineSet without a Node counts its machines as available before they are Nodes, and its status then stays as it is.
    .watch(machines, {
      when: nodeReadinessChanged,
      keys: (machine) => setsOf(machine).flatMap((key) => deploymentsOf(sets.get(key))),
    });
  manager.add(controller);
}
