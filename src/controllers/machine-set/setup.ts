/** Wires the controller of MachineSets: which changes it is called for. */

import { MachineSetKind } from '../../api/kinds/machine-set.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import { affectedOwners } from '../shared/claim-members.ts';
import { desiredStateChanged, isDesired } from '../shared/predicates.ts';
import { cached, newController, type SetupDependencies } from '../shared/setup.ts';
import { MachineSetReconciler } from './controller.ts';

const WORKERS = 2;

export function setupMachineSetController(manager: Manager, setup: SetupDependencies): void {
  const { liveStore, recorder } = setup;
  const { machines, sets } = setup.informers;
  // Of its own: others who look at sets, to let a repair or a replacement go ahead, have to see them as they are now.
  const known = cached(liveStore, machines, sets);
  const reconciler = new MachineSetReconciler({ store: liveStore, known, recorder });
  const controller = newController(setup, {
    name: 'machineset',
    concurrency: WORKERS,
    reconcile: (key) => reconciler.reconcile(key),
  })
    .watch(sets, { when: desiredStateChanged, isDesired })
    .watch(machines, { keys: (member) => affectedOwners(MachineSetKind, member, sets.list()) });
  manager.add(controller);
}
