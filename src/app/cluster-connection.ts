/** One API server as all parts need it: objects, Terraform's states, and the identity of the installation. */

import { hostname } from 'node:os';
import { delimiter, join } from 'node:path';
import { StaleLocks } from '../actuator/context/stale-leases.ts';
import type { SpellingsOf } from '../actuator/context/state-home.ts';
import { KubernetesStateBackends } from '../actuator/state/kubernetes.ts';
import type { KubeObject, ResourceKind } from '../apimachinery/object.ts';
import { TerminalError } from '../errors.ts';
import { shortHash } from '../intent/names.ts';
import { Client } from '../kube/client/client.ts';
import { servesAll, servesKind } from '../kube/client/discovery.ts';
import { kubeconfigPaths, loadConnection } from '../kube/client/kubeconfig.ts';
import { OWN_SERVER_LIMITS } from '../kube/client/limits.ts';
import { podNamed } from '../kube/client/pod.ts';
import { KubernetesStore } from '../kube/runtime/kubernetes-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { KEPT_SERIALS } from '../terraform/kept-serials.ts';
import { isGoneProcess } from './leader-identity.ts';
import { WorkDir } from './scratch-dir.ts';

export interface ClusterConnectionOptions {
  /** Path of a kubeconfig; else $KUBECONFIG, ~/.kube/config, and at last the service account of the pod. */
  readonly kubeconfig: string | undefined;
  /** For leases and the states of hosts; default: that of the kubeconfig's context, or of the pod. */
  readonly namespace: string | undefined;
  /** The only namespaces whose objects are read; undefined: all. */
  readonly watchNamespaces: readonly string[] | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How many serials of each state are kept. */
  readonly keptSerials?: number;
  /** See StateBackends. Default: hosts have one spelling. */
  readonly spellingsOf?: SpellingsOf;
}

export interface ClusterConnection {
  readonly client: Client;
  /** Of `client`. */
  readonly server: URL;
  readonly store: KubernetesStore;
  /** Has `check` called before each write to objects, states and their locks from here on; `client` is not asked. */
  readonly guardWrites: (check: () => void) => void;
  readonly namespace: string;
  /** Whether the process of that name (see leader-identity.ts) provably no longer runs. */
  readonly isGone: (name: string) => boolean;
  /** The uid of the namespace kube-system: what is called the identity of a cluster everywhere. */
  installation(): Promise<string>;
  /** Whether the API server has all of these kinds. */
  serves(kinds: readonly ResourceKind[]): Promise<boolean>;
  /** Whether it has a kind of that name, in any version of the group. */
  servesKind(kind: { readonly apiGroup: string; readonly kind: string }): Promise<boolean>;
  readonly workspaces: KubernetesStateBackends;
  close(): Promise<void>;
}

const NamespaceKind: ResourceKind<KubeObject> = {
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
};

export async function connectCluster(options: ClusterConnectionOptions): Promise<ClusterConnection> {
  const { kubeconfig, log, metrics, keptSerials = KEPT_SERIALS, watchNamespaces } = options;
  const connection = await loadConnection(kubeconfig === undefined ? {} : { kubeconfig });
  const namespace = options.namespace ?? connection.namespace;
  const client = new Client(connection, metrics);
  let mayWrite = () => {};
  const writer = new Client(connection, metrics, OWN_SERVER_LIMITS, () => mayWrite());
  const paths = kubeconfigPaths(kubeconfig);
  const pod = paths.length === 0 ? await podNamed(client, connection.namespace, hostname()) : undefined;
  const isGone = (name: string) => isGoneProcess(name, pod !== undefined);
  const ownDir = await WorkDir.make(isGone);
  // States that could not be saved are left for a later process, which may be for another cluster.
  const workDir = join(ownDir.path, shortHash(connection.server.href));
  const locks = new StaleLocks({
    client: writer,
    pod,
    onRelease: (lease, holder) =>
      log.warn('Released the state lock of a process that is gone', { lease, holder }),
  });
  const env: Record<string, string> =
    paths.length === 0 ? { KUBE_IN_CLUSTER_CONFIG: 'true' } : { KUBE_CONFIG_PATHS: paths.join(delimiter) };
  return {
    client,
    server: connection.server,
    isGone,
    store: new KubernetesStore(writer, { log, metrics, namespaces: watchNamespaces }),
    guardWrites: (check) => {
      mayWrite = check;
    },
    namespace,
    installation: () => installationOf(client),
    serves: (kinds) => servesAll(client, kinds),
    servesKind: (kind) => servesKind(client, kind),
    workspaces: new KubernetesStateBackends({
      ...{ client: writer, workDir, namespace, env, locks, keptSerials, watched: watchNamespaces },
      spellingsOf: options.spellingsOf ?? (() => []),
    }),
    close: async () => {
      client.close();
      writer.close();
      const files = await ownDir.remove();
      if (files.length > 0)
        log.warn('States could not be saved; the next process here saves them', { files });
    },
  };
}

async function installationOf(client: Client): Promise<string> {
  const namespace = await client.get(NamespaceKind, { namespace: '', name: 'kube-system' });
  if (namespace?.metadata.uid) return namespace.metadata.uid;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: 'the API server has no namespace kube-system, by which a cluster is identified',
    fix: 'name the kubeconfig of a Kubernetes cluster',
  });
}
