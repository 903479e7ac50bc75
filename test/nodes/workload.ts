/** Reads the Kubernetes cluster that runs on the machines. */

import { execa } from 'execa';
import type { ApiObject } from '../capi/api-objects.ts';

/** The Kubernetes that runs on our machines, by the kubeconfig that Cluster API made for its users. */
export class Workload {
  readonly kubeconfig: string;
  readonly #kubectl: string;

  constructor(kubectl: string, kubeconfig: string) {
    this.#kubectl = kubectl;
    this.kubeconfig = kubeconfig;
  }

  async kubectl(args: readonly string[], input = ''): Promise<string> {
    const flags = [`--kubeconfig=${this.kubeconfig}`, '--request-timeout=60s'];
    return (await execa(this.#kubectl, [...flags, ...args], { input })).stdout;
  }

  async nodes(): Promise<ApiObject[]> {
    return (JSON.parse(await this.kubectl(['get', 'nodes', '--output=json'])) as { items: ApiObject[] })
      .items;
  }

  /** Names of the Nodes that are Ready, with their providerID. Empty while the API server does not answer. */
  async readyNodes(): Promise<Map<string, string | undefined>> {
    const nodes = await this.nodes().catch(() => []);
    return new Map(nodes.filter(isReady).map(({ metadata, spec }) => [metadata.name, spec?.providerID]));
  }
}

export function isReady({ status }: ApiObject): boolean {
  const conditions = (status?.['conditions'] ?? []) as { type: string; status: string }[];
  return conditions.some((one) => one.type === 'Ready' && one.status === 'True');
}
