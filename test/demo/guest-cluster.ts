/** Plays what the lab's guests do not run: kubeadm and kubelets, on an API server that takes the place of the guests' own. */

import { setTimeout as sleep } from 'node:timers/promises';
import { ApiObjects } from '../capi/api-objects.ts';
import { WorkloadCluster } from '../capi/workload-cluster.ts';
import type { KubeLab } from '../lab/kube/kube-lab.ts';
import { say } from './words.ts';

const MACHINES = 'libvirtmachines.infrastructure.cluster.x-k8s.io';
const POLL_MS = 500;

export interface GuestClusterOptions {
  /** Of the Cluster. */
  readonly name: string;
  readonly management: KubeLab;
  readonly workload: KubeLab;
  /** Ends it, as `stop` does. */
  readonly signal: AbortSignal;
}

export class GuestCluster {
  readonly #management: ApiObjects;
  readonly #workload: WorkloadCluster;
  readonly #joined = new Set<string>();
  readonly #end = new AbortController();
  readonly #ending: AbortSignal;
  #ended: Promise<void> = Promise.resolve();

  private constructor({ name, management, workload, signal }: GuestClusterOptions) {
    this.#ending = AbortSignal.any([this.#end.signal, signal]);
    this.#management = new ApiObjects(management);
    this.#workload = new WorkloadCluster(workload, name);
  }

  static async start(options: GuestClusterOptions): Promise<GuestCluster> {
    const cluster = new GuestCluster(options);
    await cluster.#workload.lendAuthority(cluster.#management);
    cluster.#ended = cluster.#play();
    return cluster;
  }

  get endpoint(): { readonly host: string; readonly port: number } {
    return this.#workload.endpoint;
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#ended;
  }

  async #play(): Promise<void> {
    while (!this.#ending.aborted) {
      await this.#joinGuests().catch((error: unknown) => {
        if (!this.#ending.aborted)
          say(`a guest could not join: ${error instanceof Error ? error.message : error}`);
      });
      await sleep(POLL_MS, undefined, { signal: this.#ending }).catch(() => {});
    }
  }

  /** Registers a Node for each guest that has come up. */
  async #joinGuests(): Promise<void> {
    for (const { metadata, spec, status } of await this.#management.list(MACHINES)) {
      const addresses = (status?.['addresses'] ?? []) as readonly { readonly type: string }[];
      const isUp = addresses.some(({ type }) => type === 'InternalIP');
      if (!isUp || spec?.providerID === undefined || this.#joined.has(metadata.name)) continue;
      if (metadata.labels?.['cluster.x-k8s.io/control-plane'] !== undefined) await this.#initControlPlane();
      await this.#workload.registerNode(metadata.name, spec.providerID);
      this.#joined.add(metadata.name);
    }
  }

  /** Writes the objects of `kubeadm init` by which Cluster API detects the control plane. */
  async #initControlPlane(): Promise<void> {
    await this.#workload.objects.applyElsewhere('kube-system', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kubeadm-config', namespace: 'kube-system' },
      data: { ClusterConfiguration: 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n' },
    });
  }
}
