/**
 * Wires the controller of Machines: which changes it is called for, and what observes the hosts for it. The engine reports to these
 * observers, and they ask the engine; so it is opened here, with `MachineHooks`.
 */

import type { Machine } from '../../api/kinds/machine.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { MachineIdentity } from '../../intent/names.ts';
import type { Controller } from '../../kube/runtime/controller.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import type { LibvirtConnections } from '../../libvirt/connections.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { describeEvent } from '../shared/event-messages.ts';
import { HostWatches } from '../shared/host-watches.ts';
import { desiredStateChanged, isDesired } from '../shared/predicates.ts';
import type { RepairBudget } from '../shared/repair-budget.ts';
import { flowOfNamespace, type Informers, newController, TERRAFORM_STUCK_MS } from '../shared/setup.ts';
import type { MachineReconciler } from './controller.ts';
import type { MachineDependencies } from './dependencies.ts';
import {
  clusterChanged,
  domainsOn,
  flowOfMachine,
  hasBecomeReady,
  indexMachines,
  machineOfDomain,
  machinesOfCluster,
  machinesOfSecret,
  machinesOfSet,
} from './mappings.ts';
import { PeriodicPlans } from './periodic-plans.ts';
import { newRepairBudget, type RepairBudgetSetup } from './repair/budget.ts';
import { DriftMetrics } from './repair/drift-metrics.ts';
import { MachineRepair } from './repair/repair.ts';
import { SilentHosts } from './silent-hosts.ts';
import { AddressWatch } from './waits/address-watch.ts';
import { DependencyWatcher } from './waits/dependency-waits.ts';

/** What the reconciler of Machines, and what it works with, ask of the process around it. */
export type MachineHooks = Required<
  Pick<
    MachineDependencies,
    | 'hasIncompleteState'
    | 'repair'
    | 'plans'
    | 'onProgress'
    | 'lastSeen'
    | 'looking'
    | 'awaitAddress'
    | 'defersImages'
  >
> & {
  /** See `ActuatorOptions`. */
  readonly secretVersion: (secret: ObjectKey) => string | undefined;
  /** Called when a host begins, or ceases, to answer. */
  readonly onAnswer: () => void;
};

export interface MachineEngine {
  readonly machines: MachineReconciler;
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  readonly observers: Pick<LibvirtConnections, 'answers' | 'release'>;
}

export interface MachineSetup<E extends MachineEngine> extends RepairBudgetSetup {
  /** Machines that are worked on side by side. */
  readonly concurrency: number;
  /** Milliseconds between two periodic plans of a machine; 0: none. */
  readonly planIntervalMs: number;
  readonly openEngine: (hooks: MachineHooks) => E;
  /** What reconciles machines, whichever API they are of. Default: the reconciler of the engine. */
  readonly reconcilerOf?: ((engine: E) => Pick<MachineReconciler, 'reconcile'>) | undefined;
}

/** What the controller of Machines shares with the others. */
export interface MachineController<E extends MachineEngine> {
  readonly engine: E;
  readonly controller: Controller;
  readonly hosts: HostWatches;
  readonly budget: RepairBudget;
  /** Has the Machine reconciled, since its state lacks something: that brings it back. */
  readonly adopt: (machine: MachineIdentity) => Promise<void>;
}

/** Periodic plans have a worker of their own, so that nobody who asks for something waits for one. */
const PLANS_AT_ONCE = 1;

export function setupMachineController<E extends MachineEngine>(
  manager: Manager,
  setup: MachineSetup<E>,
): MachineController<E> {
  const { log, metrics, recorder, policy, concurrency, planIntervalMs } = setup;
  const { clusters } = setup.informers;
  const { machines } = setup;
  indexMachines(setup.informers.machines);
  /** Uids of Machines that a sweep found to be in no state, or not whole. */
  const incomplete = new Set<string>();
  const budget = newRepairBudget(setup, (uri, domain) => hosts.has(uri, domain));

  const engine = setup.openEngine({
    // Asked once for each finding: should it fail, the next sweep finds it again.
    hasIncompleteState: async ({ uid }) => incomplete.delete(uid),
    repair: new MachineRepair({
      budget,
      recorder,
      metrics: new DriftMetrics(metrics),
      hasDomain: (uri, domain) => hosts.has(uri, domain),
    }),
    plans: new PeriodicPlans({
      intervalMs: planIntervalMs,
      atOnce: PLANS_AT_ONCE,
      wake: (key) => controller.notify(key),
    }),
    onProgress: (key, event) => {
      const machine = machines.get(key);
      const described = machine && describeEvent(event, { isWhole: isMadeOrRemoved(machine) });
      if (described) recorder.event(machine, described);
    },
    lastSeen: (uri, domain) => hosts.domain(uri, domain),
    looking: (uri, domain) => hosts.looking(uri, domain),
    awaitAddress: (key, guest) => addresses.await(key, guest),
    defersImages: true,
    secretVersion: (key) => setup.informers.secrets.get(key)?.metadata.resourceVersion,
    onAnswer: () => controller.wake(),
  });
  const { libvirt, observers } = engine;
  const reconciler = setup.reconcilerOf?.(engine) ?? engine.machines;

  const hosts = new HostWatches({
    libvirt,
    log,
    onChange: (domain, isBack) => {
      const key = machineOfDomain(domain);
      if (!machines.get(key)) return;
      // What failed because the host was lost may work now, whatever its back-off.
      if (isBack) controller.enqueue(key);
      else controller.notify(key);
    },
    isWanted: (domain) => machines.get(machineOfDomain(domain)) !== undefined,
    domainsOn: (uri) => domainsOn(machines, uri),
    onUnused: (uri) => observers.release(uri),
  });
  const addresses = new AddressWatch({
    libvirt,
    log,
    onAddress: (key) => controller.notify(key),
    isWanted: (key) => isToStay(machines.get(key)),
  });
  const waiting = new DependencyWatcher({
    libvirt,
    policy,
    onAppearance: (key) => controller.enqueue(key),
  });
  const silent = new SilentHosts({
    machines,
    clusters,
    policy,
    answers: (uri) => observers.answers(uri),
    workers: concurrency,
  });
  const controller: Controller = newController(setup, {
    name: 'machine',
    concurrency: concurrency + PLANS_AT_ONCE,
    reconcile: (key, context) => waiting.reconcile(key, context, () => reconciler.reconcile(key)),
    flowOf: (key) => {
      const machine = machines.get(key);
      return machine ? flowOfMachine(machine) : flowOfNamespace(key);
    },
    mayStart: silent.mayStart,
    stuckAfterMs: TERRAFORM_STUCK_MS,
  });
  watchObjects(controller, setup.informers);
  for (const runnable of [hosts, waiting, addresses, controller]) manager.add(runnable);

  const adopt = async ({ uid, ...key }: MachineIdentity) => {
    incomplete.add(uid);
    if (machines.get(key)) controller.notify(key);
  };
  return { engine, controller, hosts, budget, adopt };
}

function watchObjects(controller: Controller, { machines, clusters, sets, secrets }: Informers): void {
  controller
    .watch(machines, { when: desiredStateChanged, isDesired })
    .watch(clusters, {
      when: clusterChanged,
      isDesired: (change) => isDesired(change) || hasBecomeReady(change),
      keys: (cluster) => machinesOfCluster(machines, cluster),
    })
    .watch(sets, { when: desiredStateChanged, isDesired, keys: (owner) => machinesOfSet(machines, owner) })
    .watch(secrets, {
      isDesired: ({ type }) => type !== 'RESYNC',
      keys: (secret) => machinesOfSecret(machines, secret),
    });
}

/** True until a machine was made for the first time, and once it is deleted. */
function isMadeOrRemoved({ metadata, status }: Machine): boolean {
  return metadata.deletionTimestamp !== undefined || status?.providerStatus?.appliedHash === undefined;
}

function isToStay(machine: Machine | undefined): boolean {
  return machine !== undefined && machine.metadata.deletionTimestamp === undefined;
}
