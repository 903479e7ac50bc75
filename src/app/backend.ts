/** Where a controller keeps objects and states, and tells what it did: a cluster, or a directory of this machine. */

import type { SpellingsOf, StateBackends } from '../actuator/context/state-home.ts';
import { LocalStateBackends } from '../actuator/state/local.ts';
import { MachineKind } from '../api/kinds/machine.ts';
import type { ResourceKind } from '../apimachinery/object.ts';
import { formatKey, keyOf } from '../apimachinery/object-key.ts';
import type { ServingRequests } from '../controllers/certificate/serving-request.ts';
import type { WorkloadNodes } from '../controllers/node/workload-node.ts';
import type { ClusterView } from '../controllers/orphans/classify.ts';
import type { Recorder } from '../controllers/shared/recorder.ts';
import type { ServerList } from '../intent/policy/server-list.ts';
import { EventRecorder } from '../kube/runtime/events.ts';
import { KubernetesStore } from '../kube/runtime/kubernetes-store.ts';
import { LeaderElection } from '../kube/runtime/leader-election.ts';
import { installationId } from '../store/installation.ts';
import { LocalStore } from '../store/local-store.ts';
import type { Store } from '../store/store.ts';
import type { ConnectGuard } from '../system/network/guarded-agent.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type ClusterConnection, connectCluster } from './cluster-connection.ts';
import { processName } from './leader-identity.ts';
import { OwnAddresses } from './own-addresses.ts';
import { WorkloadServingRequests } from './serving-request-client.ts';
import { WatchedNamespaces } from './watched-namespaces.ts';
import { WorkloadConnections } from './workload-connection.ts';
import { WatchedNodes } from './workload-nodes.ts';

export interface Backend {
  readonly store: Store;
  /** See src/store/installation.ts. */
  readonly installation: string;
  /** The same, as the place says now. */
  readonly identify: () => Promise<string>;
  /** See `ClusterView`. */
  readonly derivesUid?: ClusterView['derivesUid'];
  /** Whether all of these kinds are served; absent: the store keeps those of the original API alone. */
  readonly serves?: ((kinds: readonly ResourceKind[]) => Promise<boolean>) | undefined;
  /** See ClusterConnection; present where `serves` is. */
  readonly servesKind?: ClusterConnection['servesKind'] | undefined;
  readonly workspaces: StateBackends;
  readonly recorder: Recorder;
  readonly leaderElection?: LeaderElection;
  /** Called once, when this process leads, and before any work. What it throws ends the process. */
  readonly begin?: () => Promise<void>;
  readonly nodes: WorkloadNodes;
  readonly servingRequests: ServingRequests;
  /** Call it when all work has ended. */
  close(): Promise<void>;
}

export interface BackendOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How many serials of each state are kept. */
  readonly keptSerials: number;
  /** See StateBackends. */
  readonly spellingsOf: SpellingsOf;
  /** API servers of workload clusters that Secrets may name. */
  readonly servers: ServerList;
}

export interface ClusterBackendOptions extends BackendOptions {
  readonly kubeconfig: string | undefined;
  /** Of the leader's lease and the states of hosts. */
  readonly namespace: string | undefined;
  readonly watchNamespaces: readonly string[] | undefined;
}

const NAME = 'caplv-controller';

export async function clusterBackend(options: ClusterBackendOptions): Promise<Backend> {
  const { log, metrics } = options;
  const cluster = await connectCluster(options);
  const { client, store, namespace, installation, workspaces, isGone, close } = cluster;
  const watched = new WatchedNamespaces({
    client,
    namespace,
    lease: NAME,
    watched: options.watchNamespaces,
    serves: cluster.serves,
  });
  const leaderElection = new LeaderElection({
    client,
    namespace,
    name: NAME,
    identity: processName(),
    isGone,
    log,
    metrics,
  });
  cluster.guardWrites(leaderElection.requireLeading);
  // The last ones are written when the lease was given back: they say what was done.
  const eventStore = new KubernetesStore(client, { log, metrics });
  const events = new EventRecorder({ store: eventStore, controller: NAME, log });
  const serviceHost = process.env['KUBERNETES_SERVICE_HOST'];
  const own = new OwnAddresses({ client, server: cluster.server, serviceHost, log });
  const guard: ConnectGuard = async (target) => options.servers.describeRefusal(target, await own.list());
  const connections = new WorkloadConnections({ secrets: client, log, guard });
  const mayWrite = leaderElection.requireLeading;
  const nodes = new WatchedNodes({ client, connections, log, metrics, mayWrite });
  const recorder: Recorder = {
    event: (object, { type, reason, message }) => events.record(object, { type, reason, note: message }),
  };
  return {
    store,
    installation: await installation(),
    identify: installation,
    serves: cluster.serves,
    servesKind: cluster.servesKind,
    workspaces,
    recorder,
    nodes,
    servingRequests: new WorkloadServingRequests({ connections, mayWrite }),
    leaderElection,
    begin: () => watched.begin(),
    close: async () => {
      nodes.close();
      await events.flush();
      await close();
    },
  };
}

/** Over the objects and states that `caplv apply` uses too. */
export async function localBackend(
  stateDir: string,
  { log, metrics, keptSerials, spellingsOf, servers }: BackendOptions,
): Promise<Backend> {
  const store = await LocalStore.open(stateDir);
  const guard: ConnectGuard = async (target) => servers.describeRefusal(target);
  const connections = new WorkloadConnections({ secrets: store, log, guard });
  const mayWrite = () => {};
  const nodes = new WatchedNodes({ connections, log, metrics, mayWrite });
  const recorder: Recorder = {
    event: (object, { type, reason, message }) => {
      const values = { kind: object.kind, object: formatKey(keyOf(object)), reason, what: message };
      if (type === 'Warning') log.warn('Event', values);
      else log.info('Event', values);
    },
  };
  return {
    store,
    installation: store.installation,
    identify: () => installationId(stateDir),
    derivesUid: (key, uidStart) => store.uidOf(MachineKind, key).startsWith(uidStart),
    workspaces: new LocalStateBackends(stateDir, { keptSerials, spellingsOf }),
    recorder,
    nodes,
    servingRequests: new WorkloadServingRequests({ connections, mayWrite }),
    close: async () => nodes.close(),
  };
}
