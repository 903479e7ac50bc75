/**
 * Nodes of the clusters that machines are made for. Which cluster that is says a Secret `<cluster>-kubeconfig` with the key
 * `value`, as Cluster API has it; without one, machines join the cluster that their objects are in.
 */

import { clusterNameOf, type Machine } from '../api/machine.ts';
import { SecretKind, secretValue } from '../api/secret.ts';
import type { WorkloadNode } from '../controllers/node.ts';
import { Transient } from '../errors.ts';
import { Client } from '../kube/client.ts';
import { connectionFromText } from '../kube/kubeconfig.ts';
import type { KubeObject, ResourceKind } from '../store/store.ts';

export interface Node extends KubeObject {
  spec: { readonly providerID?: string };
  status?: { readonly addresses?: readonly { readonly type: string; readonly address: string }[] };
}

export const NodeKind: ResourceKind<Node> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  namespaced: false,
};

/** Many machines ask at once: one list serves them all. */
const FRESH_MS = 5_000;

interface Listed {
  readonly at: number;
  readonly nodes: Promise<readonly WorkloadNode[]>;
}

export class WorkloadNodes {
  readonly #client: Client;
  /** By the text of the kubeconfig; empty: this cluster. */
  readonly #listed = new Map<string, Listed>();

  constructor(client: Client) {
    this.#client = client;
  }

  async of(machine: Machine): Promise<readonly WorkloadNode[]> {
    const { namespace = 'default' } = machine.metadata;
    const cluster = clusterNameOf(machine);
    const name = `${cluster}-kubeconfig`;
    const secret =
      cluster === undefined ? undefined : await this.#client.get(SecretKind, { namespace, name });
    return this.#list((secret && secretValue(secret, 'value')) ?? '', `Secret ${namespace}/${name}`);
  }

  #list(kubeconfig: string, where: string): Promise<readonly WorkloadNode[]> {
    const now = performance.now();
    for (const [key, { at }] of this.#listed) if (now - at > FRESH_MS) this.#listed.delete(key);
    const known = this.#listed.get(kubeconfig);
    if (known) return known.nodes;
    const nodes = this.#ask(kubeconfig, where);
    this.#listed.set(kubeconfig, { at: now, nodes });
    return nodes;
  }

  async #ask(kubeconfig: string, where: string): Promise<readonly WorkloadNode[]> {
    const client = kubeconfig === '' ? this.#client : clientFrom(kubeconfig, where);
    try {
      const { items } = await client.list(NodeKind);
      return items.map(({ metadata, spec, status }) => ({
        name: metadata.name,
        uid: metadata.uid,
        providerID: spec.providerID,
        addresses: (status?.addresses ?? []).map(({ address }) => address),
      }));
    } finally {
      if (client !== this.#client) client.close();
    }
  }
}

function clientFrom(kubeconfig: string, where: string): Client {
  try {
    return new Client(connectionFromText(kubeconfig, where));
  } catch (error) {
    throw new Transient({
      code: 'InvalidConfiguration',
      message: (error as Error).message,
      fix: 'put a kubeconfig with a certificate or a token into the key `value`',
      retryAfterMs: 60_000,
    });
  }
}
