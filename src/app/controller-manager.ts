/** `caplv controller`: the controllers of all kinds over one store, until it is told to stop. */

import type { ActuatorEvent } from '../actuator/options.ts';
import { ClusterKind } from '../api/kinds/cluster.ts';
import { type Machine, MachineKind } from '../api/kinds/machine.ts';
import { MachineDeploymentKind } from '../api/kinds/machine-deployment.ts';
import { MachineHealthCheckKind } from '../api/kinds/machine-health-check.ts';
import { MachineSetKind } from '../api/kinds/machine-set.ts';
import { SecretKind } from '../api/kinds/secret.ts';
import type { ObjectKey } from '../apimachinery/object.ts';
import { keyOf } from '../apimachinery/object-key.ts';
import { DriftMetrics } from '../controllers/machine/repair/drift-metrics.ts';
import { PeriodicPlans } from '../controllers/machine/periodic-plans.ts';
import { MachineRepair } from '../controllers/machine/repair/repair.ts';
import { AddressWatch } from '../controllers/machine/waits/address-watch.ts';
import { DependencyWatcher } from '../controllers/machine/waits/dependency-waits.ts';
import { MachineDeploymentReconciler } from '../controllers/machine-deployment/controller.ts';
import { MachineHealthCheckReconciler } from '../controllers/machine-health-check/controller.ts';
import { HealthCheckMetrics } from '../controllers/machine-health-check/metrics.ts';
import { pastRemediations } from '../controllers/machine-health-check/remediation.ts';
import { MachineSetReconciler } from '../controllers/machine-set/controller.ts';
import { isAwaited, NodeReconciler } from '../controllers/node/controller.ts';
import { OrphanSweep } from '../controllers/orphans/collector.ts';
import { OrphanSweeps } from '../controllers/orphans/periodic-sweep.ts';
import { affectedOwners } from '../controllers/shared/claim-members.ts';
import { HostWatches } from '../controllers/shared/host-watches.ts';
import { isHeldByBudget, RepairBudget, type RepairLimits } from '../controllers/shared/repair-budget.ts';
import { domainName } from '../intent/names.ts';
import { CachedStore } from '../kube/runtime/cached-store.ts';
import {
  Controller,
  type ControllerOptions as QueueOptions,
  type Reconcile,
} from '../kube/runtime/controller.ts';
import type { Informer } from '../kube/runtime/informer.ts';
import { Manager } from '../kube/runtime/manager.ts';
import { hostIdentity } from '../libvirt/host-uri.ts';
import type { Flow } from '../system/fair-queue.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { collectProviders } from '../terraform/provider/temp-dir.ts';
import type { Backend } from './backend.ts';
import type { Config } from './config.ts';
import { assembleEngine } from './engine.ts';
import { describeEvent } from '../controllers/shared/event-messages.ts';
import { collectFleetMetrics, terraformRuns } from './fleet-metrics.ts';
import { SilentHosts } from '../controllers/machine/silent-hosts.ts';
import {
  affectedClusters,
  checksOfMachine,
  clusterChanged,
  clusterOfMachine,
  desiredStateChanged,
  flowOfMachine,
  hasBecomeReady,
  isDesired,
  isHealthNews,
  MACHINE_INDEXES,
  machinesOfCluster,
  machinesOfNode,
  machinesOfSecret,
  machinesOfSet,
} from './watch-mappings.ts';

export interface ControllerOptions {
  readonly config: Config;
  readonly backend: Backend;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Machines that are worked on side by side. */
  readonly concurrency: number;
  readonly repairs: RepairLimits;
  /** Between two periodic plans of a machine; 0: none. */
  readonly planIntervalMs: number;
  /** Time between two sweeps for what is in no state. */
  readonly sweepMs: number;
  /** For /healthz, /readyz and /metrics; undefined: no server. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
}

type ControllerLimits = Pick<QueueOptions, 'flowOf' | 'mayStart' | 'stuckAfterMs'>;

/** Each object is looked at this often although nothing happened: cheap. */
const RESYNC_MS = 10 * 60_000;
/** Each may wait for the API server of a workload cluster, for seconds. */
const NODE_WORKERS = 4;
/** A run of terraform may upload a large image; one that makes no progress is ended by its watchdog much earlier. */
const TERRAFORM_STUCK_MS = 6 * 3_600_000;
/** Periodic plans have a worker of their own, so that nobody who asks for something waits for one. */
const PLANS_AT_ONCE = 1;

/** Resolves when `stop` aborted and all work has ended. Rejects when leadership was lost or something failed. */
export async function runController(options: ControllerOptions, stop: AbortSignal): Promise<void> {
  const { config, backend, log, metrics, concurrency, listen, repairs, planIntervalMs, sweepMs } = options;
  const { recorder, leaderElection } = backend;
  const manager = new Manager({
    store: backend.store,
    log,
    metrics,
    ...(leaderElection && { leaderElection }),
    ...(listen && { listen }),
  });
  const machines = manager.informer(MachineKind, { indexes: MACHINE_INDEXES, resyncMs: RESYNC_MS });
  const clusters = manager.informer(ClusterKind, { resyncMs: RESYNC_MS });
  const sets = manager.informer(MachineSetKind, { resyncMs: RESYNC_MS });
  const deployments = manager.informer(MachineDeploymentKind, { resyncMs: RESYNC_MS });
  const checks = manager.informer(MachineHealthCheckKind, { resyncMs: RESYNC_MS });
  const secrets = manager.informer({ ...SecretKind, metadataOnly: true });

  const cached = new CachedStore(backend.store, [machines, clusters] as unknown as Informer[]);
  const store = Object.assign(cached, { installation: backend.installation });
  /** Uids of Machines that a sweep found to be in no state, or not whole. */
  const unknown = new Set<string>();
  const budget = new RepairBudget({
    store,
    limits: repairs,
    isLost,
    elsewhere: async () => checks.list().flatMap(pastRemediations),
  });
  const held = metrics.gauge(
    'caplv_machines_held',
    'Machines that are lost, and that the repair budget holds.',
  );
  metrics.onCollect(() => held.set(machines.list().filter(isHeldByBudget).length));
  function isLost(one: Machine): boolean {
    const { pinned, appliedHash } = one.status?.providerStatus ?? {};
    if (pinned === undefined || appliedHash === undefined) return false;
    const host = config.policy.host(pinned.uri);
    return host !== undefined && hosts.has(host, domainName(keyOf(one))) === false;
  }
  const engine = assembleEngine(config, store, backend.workspaces, {
    recorder,
    log,
    // Asked once for each finding: should it fail, the next sweep finds it again.
    hasIncompleteState: async ({ uid }) => unknown.delete(uid),
    repair: new MachineRepair({
      budget,
      recorder,
      metrics: new DriftMetrics(metrics),
      hasDomain: (uri, domain) => hosts.has(uri, domain),
    }),
    plans: new PeriodicPlans({
      intervalMs: planIntervalMs,
      atOnce: PLANS_AT_ONCE,
      wake: (key) => machine.notify(key),
    }),
    onRun: terraformRuns(metrics),
    onProgress: (key, event) => tell(machines.get(key), event),
    lastSeen: (uri, domain) => hosts.domain(uri, domain),
    looking: (uri, domain) => hosts.looking(uri, domain),
    awaitAddress: (key, guest) => addresses.await(key, guest),
    onAnswer: () => machine.wake(),
    mayBegin: leaderElection?.requireLeading,
  });
  function tell(machine: Machine | undefined, event: ActuatorEvent): void {
    const told = machine && describeEvent(event);
    if (told) recorder.event(machine, told);
  }

  const shared = { log, metrics };
  const controller = (
    name: string,
    workers: number,
    reconcile: Reconcile,
    { flowOf = flowOfNamespace, ...limits }: ControllerLimits = {},
  ) => new Controller({ ...shared, name, concurrency: workers, reconcile, flowOf, ...limits });
  const live = { store: backend.store, recorder };
  // Of its own: what else looks at sets, to let a repair or a replacement go ahead, has to see them as they are now.
  const known = new CachedStore(backend.store, [machines, sets] as unknown as Informer[]);
  const setReconciler = new MachineSetReconciler({ ...live, known });
  const deploymentReconciler = new MachineDeploymentReconciler(live);

  const silent = new SilentHosts({
    machines,
    clusters,
    policy: config.policy,
    answers: (uri) => engine.observers.answers(uri),
    workers: concurrency,
  });
  const waiting = new DependencyWatcher({
    libvirt: engine.libvirt,
    policy: config.policy,
    onAppearance: (key) => machine.enqueue(key),
  });
  const machine: Controller = controller(
    'machine',
    concurrency + PLANS_AT_ONCE,
    (key, context) => waiting.reconcile(key, context, () => engine.machines.reconcile(key)),
    {
      flowOf: (key) => {
        const one = machines.get(key);
        return one ? flowOfMachine(one) : flowOfNamespace(key);
      },
      mayStart: silent.mayStart,
      stuckAfterMs: TERRAFORM_STUCK_MS,
    },
  )
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
  const cluster = controller('cluster', 2, (key) => engine.clusters.reconcile(key), {
    stuckAfterMs: TERRAFORM_STUCK_MS,
  })
    .watch(clusters, {
      when: desiredStateChanged,
      isDesired,
      keys: (changed) => affectedClusters(clusters, changed),
    })
    .watch(machines, {
      when: ({ type }) => type === 'DELETED',
      isDesired,
      keys: (gone) => clusterOfMachine(clusters as unknown as Informer, gone),
    });
  const set = controller('machineset', 2, (key) => setReconciler.reconcile(key))
    .watch(sets, { when: desiredStateChanged, isDesired })
    .watch(machines, { keys: (member) => affectedOwners(MachineSetKind, member, sets.list()) });
  const deployment = controller('machinedeployment', 2, (key) => deploymentReconciler.reconcile(key))
    .watch(deployments, { when: desiredStateChanged, isDesired })
    .watch(sets, { keys: (member) => affectedOwners(MachineDeploymentKind, member, deployments.list()) });

  const checkReconciler = new MachineHealthCheckReconciler({
    store,
    recorder,
    budget,
    metrics: new HealthCheckMetrics(metrics, () => checks.list()),
    nodes: backend.nodes,
  });
  const check = controller('machinehealthcheck', NODE_WORKERS, (key) => checkReconciler.reconcile(key))
    .watch(checks, { when: desiredStateChanged, isDesired })
    .watch(machines, { when: isHealthNews, keys: (one) => checksOfMachine(checks, one) });

  const hosts = new HostWatches({
    libvirt: engine.libvirt,
    log,
    onChange: (domain) => {
      const key = machineOf(domain);
      if (machines.get(key)) machine.notify(key);
    },
    isWanted: (domain) => machines.get(machineOf(domain)) !== undefined,
    domainsOn: (uri) => machines.byIndex('host', hostIdentity(uri)).map((one) => domainName(keyOf(one))),
    onUnused: (uri) => engine.observers.release(uri),
  });

  const addresses = new AddressWatch({
    libvirt: engine.libvirt,
    log,
    onAddress: (key) => machine.notify(key),
    isWanted: (key) => isToStay(machines.get(key)),
  });

  const sweep = new OrphanSweep({
    ...engine,
    store: backend.store,
    installation: backend.installation,
    identify: backend.identify,
    ...(backend.derivesUid && { derivesUid: backend.derivesUid }),
    adopt: async ({ uid, ...key }) => {
      unknown.add(uid);
      if (machines.get(key)) machine.notify(key);
    },
  });
  const orphans = new OrphanSweeps({
    ...shared,
    sweep,
    store,
    policy: config.policy,
    nameOf: (uri) => engine.libvirt(uri).uri,
    intervalMs: sweepMs,
  });

  collectFleetMetrics(metrics, {
    machines: () => machines.list(),
    hosts,
    providers: engine.providers,
    slots: engine.terraform.slots,
  });
  for (const runnable of [hosts, waiting, addresses, machine, cluster, set, deployment, check, orphans])
    manager.add(runnable);
  if (backend.nodes) {
    const reconciler = new NodeReconciler({ store, recorder, nodes: backend.nodes });
    const node = controller('node', NODE_WORKERS, (key) => reconciler.reconcile(key));
    manager.add(node.watch(machines, { when: ({ object }) => isAwaited(object) }));
    backend.nodes.addHandler((changed) => {
      for (const one of machinesOfNode(machines, changed)) {
        if (isAwaited(one)) node.notify(keyOf(one));
        for (const key of checksOfMachine(checks, one)) check.notify(key);
      }
    });
  }
  await collectProviders();
  try {
    await manager.run(stop);
  } finally {
    await engine.close();
  }
}

function flowOfNamespace({ namespace }: ObjectKey): Flow {
  return { group: namespace, name: '' };
}

/** `default.kube-cp`: see `domainName`. */
function machineOf(domain: string): ObjectKey {
  const dot = domain.indexOf('.');
  return { namespace: domain.slice(0, Math.max(0, dot)), name: domain.slice(dot + 1) };
}

function isToStay(one: Machine | undefined): boolean {
  return one !== undefined && one.metadata.deletionTimestamp === undefined;
}
