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

  async list(resource: string, namespace = 'default'): Promise<ApiObject[]> {
    const text = await this.kubectl(['get', resource, `--namespace=${namespace}`, '--output=json']);
    return (JSON.parse(text) as { items: ApiObject[] }).items;
  }

  nodes(): Promise<ApiObject[]> {
    return this.list('nodes');
  }

  /** Undefined: it is not there. Throws while the API server does not answer. */
  async node(name: string): Promise<ApiObject | undefined> {
    return (await this.nodes()).find(({ metadata }) => metadata.name === name);
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
