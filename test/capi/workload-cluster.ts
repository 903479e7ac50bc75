/** Starts an API server that takes the place of a workload cluster's. */

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { KubeLab } from '../lab/kube/kube-lab.ts';
import { type ApiObject, ApiObjects } from './api-objects.ts';

/**
 * An API server that takes the place of a workload cluster's, whose control plane nothing of the management cluster runs:
 * what Cluster API needs to give workers their bootstrap data and to find their Nodes.
 */
export class WorkloadCluster {
  readonly objects: ApiObjects;
  readonly #kube: KubeLab;
  readonly #name: string;

  constructor(kube: KubeLab, name: string) {
    this.#kube = kube;
    this.#name = name;
    this.objects = new ApiObjects(kube);
  }

  /** Its host and port, as in `controlPlaneEndpoint`. */
  get endpoint(): { readonly host: string; readonly port: number } {
    const { hostname, port } = new URL(this.#kube.url);
    return { host: hostname, port: Number(port) };
  }

  /** Writes its control plane and its Secrets into the management cluster. Its Cluster may come later. */
  async joinTo(management: ApiObjects): Promise<void> {
    const kubeconfig = await readFile(await this.#kube.userKubeconfig('capi', ['system:masters']));
    await this.lendAuthority(management);
    await management.apply(this.#secret('kubeconfig', { value: kubeconfig }), {
      apiVersion: 'controlplane.cluster.x-k8s.io/v1alpha1',
      kind: 'StandInControlPlane',
      metadata: { name: this.#name, namespace: 'default' },
      spec: { version: 'v1.36.3' },
    });
    const status = {
      initialization: { controlPlaneInitialized: true },
      externalManagedControlPlane: true,
      version: 'v1.36.3',
      conditions: [
        {
          type: 'Available',
          status: 'True',
          reason: 'Available',
          message: '',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    };
    await management.patch('standincontrolplanes', this.#name, { status }, 'status');
  }

  /** Writes its certificate authority alone: a KubeadmControlPlane makes of it the kubeconfig that it wants, with certificates. */
  async lendAuthority(management: ApiObjects): Promise<void> {
    const { ca } = this.#kube;
    const [crt, key] = await Promise.all([readFile(ca), readFile(join(dirname(ca), 'ca.key'))]);
    await management.apply(this.#secret('ca', { 'tls.crt': crt, 'tls.key': key }));
  }

  /** Registers a Node for each of these LibvirtMachines that has a provider ID and none yet, as its kubelet would. */
  async registerNodes(machines: readonly ApiObject[]): Promise<void> {
    const nodes = new Set((await this.objects.list('nodes')).map(({ metadata }) => metadata.name));
    for (const { metadata, spec } of machines) {
      if (!spec?.providerID || nodes.has(metadata.name) || metadata.deletionTimestamp) continue;
      await this.registerNode(metadata.name, spec.providerID);
    }
  }

  /** Registers a Node as the kubelet of that machine would. */
  async registerNode(name: string, providerID: string): Promise<void> {
    await this.objects.apply({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      spec: { providerID },
    });
    // Loopback only: the control plane provider opens connections to its Nodes.
    const status = {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      nodeInfo: nodeInfo(),
      conditions: [
        { type: 'Ready', status: 'True' },
        // Without these Cluster API does not know whether the Node is healthy, and no Machine becomes available.
        ...['MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => ({ type, status: 'False' })),
      ],
    };
    await this.objects.patch('nodes', name, { status }, 'status');
  }

  #secret(purpose: string, data: Readonly<Record<string, Buffer>>): object {
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'cluster.x-k8s.io/secret',
      metadata: {
        name: `${this.#name}-${purpose}`,
        namespace: 'default',
        labels: { 'cluster.x-k8s.io/cluster-name': this.#name },
      },
      data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.toString('base64')])),
    };
  }
}

function nodeInfo(): object {
  return {
    architecture: 'amd64',
    bootID: 'boot',
    containerRuntimeVersion: 'containerd://2.0.0',
    kernelVersion: '6.1.0',
    kubeProxyVersion: '',
    kubeletVersion: 'v1.36.3',
    machineID: 'machine',
    operatingSystem: 'linux',
    osImage: 'Debian',
    systemUUID: 'uuid',
  };
}
