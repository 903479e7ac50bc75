/** Starts libvirt hosts, Cluster API's managers, and the controller of a release. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect } from 'vitest';
import { ControllerProcess } from '../cluster/controller-process.ts';
import type { CapiLabOptions } from '../lab/capi/capi-lab.ts';
import { Lab } from '../lab/lab.ts';
import type { ApiObject } from './api-objects.ts';
import { CapiWorld } from './capi-world.ts';
import { release } from './release.ts';

const GROUP = 'infrastructure.cluster.x-k8s.io';
const CAPI = 'cluster.x-k8s.io';
const RESOURCES: Readonly<Record<string, string>> = {
  Cluster: `clusters.${CAPI}`,
  Machine: `machines.${CAPI}`,
  MachineDeployment: `machinedeployments.${CAPI}`,
  LibvirtCluster: `libvirtclusters.${GROUP}`,
  LibvirtMachine: `libvirtmachines.${GROUP}`,
};

/** Long enough for a busy machine; nothing is measured by it. */
export const poll = { timeout: 180_000, interval: 200 };

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/**
 * Private libvirt hosts, Cluster API's own managers, and our controller as `clusterctl init` of a release installs it, with the rights that
 * the release gives it. Objects are of namespace `default` if not said otherwise.
 */
export class LibvirtWorld {
  readonly lab: Lab;
  readonly world: CapiWorld;
  controller: ControllerProcess;
  readonly #directory: string;

  private constructor(lab: Lab, world: CapiWorld, controller: ControllerProcess, directory: string) {
    this.lab = lab;
    this.world = world;
    this.controller = controller;
    this.#directory = directory;
  }

  /** `cluster`: the one that has the workload cluster. */
  static async up(
    name: string,
    cluster: string,
    hosts = 1,
    options: Pick<CapiLabOptions, 'ipam'> = {},
  ): Promise<LibvirtWorld> {
    const directory = await mkdtemp(join(tmpdir(), 'caplv-release-'));
    let [lab, world]: [Lab | undefined, CapiWorld | undefined] = [undefined, undefined];
    try {
      lab = await Lab.up({ name, fresh: true, hosts });
      world = await CapiWorld.up(cluster, { ...options, infrastructure: await release(directory) });
      const controller = await startController(lab, world);
      return new LibvirtWorld(lab, world, controller, directory);
    } catch (error) {
      await world?.down();
      await lab?.down();
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async down(): Promise<void> {
    await this.controller.stop();
    await this.world.down();
    await this.lab.down();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Kills the controller and starts it again, as its Deployment would. */
  async crash(): Promise<void> {
    await this.controller.kill();
    this.controller = await startController(this.lab, this.world);
  }

  async virsh(host: number, ...args: readonly string[]): Promise<string> {
    return (await execa('virsh', ['-q', '-c', this.lab.hosts[host]?.uri ?? '', ...args])).stdout;
  }

  /** Names of the domains of all hosts. */
  async domains(): Promise<string[]> {
    const lists = this.lab.hosts.map((_, host) => this.virsh(host, 'list', '--all', '--name'));
    return (await Promise.all(lists)).flatMap((text) => text.split('\n').filter(Boolean)).sort();
  }

  get(kind: string, name: string): Promise<ApiObject | undefined> {
    return this.world.objects.get(RESOURCES[kind] ?? kind, name);
  }

  list(kind: string): Promise<ApiObject[]> {
    return this.world.objects.list(RESOURCES[kind] ?? kind);
  }

  /** Does not wait for the end of the deletion. */
  delete(kind: string, name: string): Promise<void> {
    return this.world.objects.delete(RESOURCES[kind] ?? kind, name);
  }

  patch(kind: string, name: string, patch: object): Promise<void> {
    return this.world.objects.patch(RESOURCES[kind] ?? kind, name, patch);
  }

  /** Returns the condition as `True Reason: message`; undefined without such a condition. */
  async condition(kind: string, name: string, type = 'Ready'): Promise<string | undefined> {
    const conditions = (await this.get(kind, name))?.status?.['conditions'] as Condition[] | undefined;
    const found = conditions?.find((one) => one.type === type);
    return found && `${found.status} ${found.reason}: ${found.message}`;
  }

  /** Resolves when condition Ready of the object is so. */
  async says(kind: string, name: string, what: RegExp): Promise<void> {
    await expect.poll(() => this.condition(kind, name), poll).toMatch(what);
  }

  /** Resolves when none of the Cluster's objects is left, nor anything of them on a host. */
  async leavesNothing(cluster: string): Promise<void> {
    await expect.poll(() => this.get('Cluster', cluster), poll).toBeUndefined();
    const label = `cluster.x-k8s.io/cluster-name`;
    for (const kind of ['LibvirtCluster', 'LibvirtMachine', 'Machine']) {
      const left = (await this.list(kind)).filter(({ metadata }) => metadata.labels?.[label] === cluster);
      expect(left.map(({ metadata }) => `${kind} ${metadata.name}`)).toEqual([]);
    }
    const domains = (await this.domains()).filter((name) => name.startsWith(`default.capi~${cluster}`));
    expect(domains).toEqual([]);
    // The states of Terraform go with the machines.
    const states = (await this.list('secrets')).map(({ metadata }) => metadata.name);
    expect(states.filter((name) => name.startsWith('tfstate-') && name.includes(cluster))).toEqual([]);
  }

  machineSpec(spec: object = {}): object {
    const given = { vcpu: 1, memoryMiB: 128, imageURI: this.lab.imagePath };
    return { ...given, running: false, shutdownTimeoutSeconds: 0, ...spec };
  }

  /** A LibvirtCluster on the hosts of the lab, each of which is a failure domain: `rack1`, `rack2`. */
  libvirtCluster(name: string, spec: object = {}): object {
    const hosts = this.lab.hosts.map(({ uri }, index) => ({ name: `rack${index + 1}`, uri }));
    const controlPlaneEndpoint = { host: '192.0.2.1', port: 6443 };
    return infrastructure('LibvirtCluster', name, { hosts, controlPlaneEndpoint, ...spec });
  }

  template(name: string, spec: object = {}): object {
    return infrastructure('LibvirtMachineTemplate', name, { template: { spec: this.machineSpec(spec) } });
  }

  /** A LibvirtMachine, and the Machine that names it. */
  machine(name: string, clusterName: string, { machine = {}, libvirt = {} } = {}): [object, object] {
    const labels = { 'cluster.x-k8s.io/cluster-name': clusterName };
    const bootstrap = { dataSecretName: 'boot' };
    const infrastructureRef = { apiGroup: GROUP, kind: 'LibvirtMachine', name };
    return [
      infrastructure('LibvirtMachine', name, this.machineSpec(libvirt), labels),
      contract('Machine', name, { clusterName, bootstrap, infrastructureRef, ...machine }),
    ];
  }

  /** Workers with that bootstrap Secret, of the template of that name. */
  deployment(name: string, clusterName: string, replicas: number): object {
    const infrastructureRef = { apiGroup: GROUP, kind: 'LibvirtMachineTemplate', name };
    const bootstrap = { dataSecretName: 'boot' };
    return contract('MachineDeployment', name, {
      clusterName,
      replicas,
      selector: { matchLabels: { set: name } },
      template: {
        metadata: { labels: { set: name } },
        spec: { clusterName, version: 'v1.36.3', bootstrap, infrastructureRef },
      },
    });
  }
}

/** A Cluster without a control plane, whose infrastructure is the LibvirtCluster of its name. */
export function bareCluster(name: string, spec: object = {}): object {
  const infrastructureRef = { apiGroup: GROUP, kind: 'LibvirtCluster', name };
  return contract('Cluster', name, {
    clusterNetwork: { pods: { cidrBlocks: ['10.244.0.0/16'] } },
    infrastructureRef,
    ...spec,
  });
}

export function bootstrapSecret(name: string, value = '#cloud-config\n{}\n'): object {
  const metadata = { name, namespace: 'default' };
  return { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { value, format: 'cloud-config' } };
}

function contract(kind: string, name: string, spec: object): object {
  return { apiVersion: `${CAPI}/v1beta2`, kind, metadata: { name, namespace: 'default' }, spec };
}

function infrastructure(kind: string, name: string, spec: object, labels: object = {}): object {
  return { apiVersion: `${GROUP}/v1alpha1`, kind, metadata: { name, namespace: 'default', labels }, spec };
}

function startController(lab: Lab, world: CapiWorld): Promise<ControllerProcess> {
  return world.kube
    .serviceAccountKubeconfig('caplv-system', 'caplv-controller')
    .then((kubeconfig) =>
      ControllerProcess.start({ ...lab.env(), CAPLV_KUBECONFIG: kubeconfig, CAPLV_ALLOW: 'everything' }, [
        '--namespace',
        'caplv-system',
        '--sweep-interval',
        '5s',
      ]),
    );
}
