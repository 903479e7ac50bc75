/** Follows one cluster of Cluster API, from its objects in the management cluster to its Nodes. */

import { expect } from 'vitest';
import type { ApiObject } from '../capi/api-objects.ts';
import type { NodeWorld } from './node-world.ts';
import type { Workload } from './workload.ts';

const MINUTE = 60_000;
const MACHINES = 'machines.cluster.x-k8s.io';
const CLUSTERS = 'clusters.cluster.x-k8s.io';

export const poll = (minutes: number) => ({ timeout: minutes * MINUTE, interval: 2_000 });

const isWorker = ({ metadata }: ApiObject) =>
  metadata.labels?.['cluster.x-k8s.io/control-plane'] === undefined;

export class NodeCluster {
  readonly name: string;
  readonly #world: NodeWorld;
  #workload: Workload | undefined;

  constructor(world: NodeWorld, name: string) {
    this.#world = world;
    this.name = name;
  }

  /** Name of its MachineDeployment, and of the template of its machines. */
  get deployment(): string {
    return `${this.name}-worker`;
  }

  /** The Kubernetes on its machines, once `initialised` has resolved. */
  get workload(): Workload {
    if (!this.#workload) throw new Error(`the control plane of ${this.name} is not initialised`);
    return this.#workload;
  }

  /** Applies the template of the release: a control plane machine and a worker. */
  async apply(): Promise<void> {
    await this.#world.objects.applyText(await this.#world.generate(this.name));
  }

  /** Resolves when its control plane answers. */
  async initialised(minutes: number): Promise<void> {
    const isInitialised = async () => {
      const cluster = await this.#world.objects.get(CLUSTERS, this.name);
      const { initialization } = (cluster?.status ?? {}) as {
        initialization?: { controlPlaneInitialized?: boolean };
      };
      return initialization?.controlPlaneInitialized;
    };
    await expect.poll(isInitialised, poll(minutes)).toBe(true);
    this.#workload = await this.#world.workload(this.name);
  }

  machines(): Promise<ApiObject[]> {
    return this.#world.objects.list(MACHINES);
  }

  /** Names of the Nodes of workers, as the management cluster knows them. */
  async workers(): Promise<string[]> {
    const workers = (await this.machines()).filter(isWorker);
    return workers.flatMap(({ status }) => status?.nodeRef?.name ?? []);
  }

  patchDeployment(spec: object): Promise<void> {
    return this.#world.objects.patch('machinedeployments.cluster.x-k8s.io', this.deployment, { spec });
  }

  /** Resolves when that many Machines run, each with a Node that is Ready and has our providerID. Returns their names. */
  async nodesReady(count: number, minutes: number): Promise<string[]> {
    await expect.poll(async () => (await this.workload.readyNodes()).size, poll(minutes)).toBe(count);
    await expect.poll(async () => (await this.#runningNodes()).length, poll(minutes)).toBe(count);
    const nodes = await this.workload.readyNodes();
    expect(await this.#runningNodes()).toEqual([...nodes.keys()].sort());
    expect(nodes).toEqual(await this.#providerIDs());
    for (const id of nodes.values()) expect(id).toMatch(/^libvirt:\/\/\/[0-9a-f-]{36}$/);
    return [...nodes.keys()];
  }

  /** How many tokens its cluster has with which a machine may join. */
  async joinTokens(): Promise<number> {
    const secrets = await this.workload.list('secrets', 'kube-system');
    const configs = await this.#world.objects.list('kubeadmconfigs.bootstrap.cluster.x-k8s.io');
    const known = configs.map(({ spec }) => JSON.stringify(spec));
    const tokens = secrets.filter(({ metadata }) => metadata.name.startsWith('bootstrap-token-'));
    const ids = tokens.map(({ metadata }) => metadata.name.replace('bootstrap-token-', ''));
    return ids.filter((id) => known.some((text) => text.includes(`"${id}.`))).length;
  }

  /** Resolves when its Cluster is gone. */
  async delete(minutes: number): Promise<void> {
    await this.#world.objects.delete(CLUSTERS, this.name);
    await expect.poll(() => this.#world.objects.get(CLUSTERS, this.name), poll(minutes)).toBeUndefined();
  }

  async #providerIDs(): Promise<Map<string, string | undefined>> {
    const machines = await this.#world.objects.list('libvirtmachines');
    return new Map(machines.map(({ metadata, spec }) => [metadata.name, spec?.providerID]));
  }

  /** Names of the Nodes whose Machines run, as the management cluster knows them. */
  async #runningNodes(): Promise<string[]> {
    const running = (await this.machines()).filter(({ status }) => status?.phase === 'Running');
    return running.map(({ status }) => status?.nodeRef?.name ?? '').sort();
  }
}
