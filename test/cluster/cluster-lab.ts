/** Starts libvirt hosts and an API server for one test file. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { type Machine, MachineKind } from '../../src/api/kinds/machine.ts';
import type { Client } from '../../src/kube/client/client.ts';
import { KubeLab, type KubeLabOptions } from '../lab/kube/kube-lab.ts';
import { Lab } from '../lab/lab.ts';
import { PROGRAM } from './controller-process.ts';

/** libvirt hosts and an API server with our kinds, of one test file alone. */
export class ClusterLab {
  readonly lab: Lab;
  readonly kube: KubeLab;
  readonly client: Client;

  private constructor(lab: Lab, kube: KubeLab, client: Client) {
    this.lab = lab;
    this.kube = kube;
    this.client = client;
  }

  static async up(
    name: string,
    hosts = 1,
    { controllerManager = false }: Pick<KubeLabOptions, 'controllerManager'> = {},
  ): Promise<ClusterLab> {
    const dir = await mkdtemp(join(tmpdir(), 'caplv-kube-'));
    const [lab, kube] = await Promise.all([
      Lab.up({ name, hosts, fresh: true }),
      KubeLab.up({ dir, controllerManager }),
    ]);
    const made = new ClusterLab(lab, kube, await kube.client());
    await made.kubectl('apply', '-f', fileURLToPath(new URL('../../deploy/crds', import.meta.url)));
    return made;
  }

  async down(): Promise<void> {
    this.client.close();
    await Promise.all([this.lab.down(), this.kube.down()]);
  }

  /** The environment of an operator who trusts all authors of manifests, as a test does. */
  env(): NodeJS.ProcessEnv {
    return { ...this.lab.env(), CAPLV_KUBECONFIG: this.kube.kubeconfig, CAPLV_ALLOW: 'everything' };
  }

  async kubectl(...args: readonly string[]): Promise<string> {
    return (await execa(this.kube.kubectl, ['--kubeconfig', this.kube.kubeconfig, ...args])).stdout;
  }

  /** Runs `kubectl apply -f`; a manifest may be one object or several. */
  async apply(...objects: readonly object[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    await execa(this.kube.kubectl, ['--kubeconfig', this.kube.kubeconfig, 'apply', '-f', '-'], {
      input: JSON.stringify(list),
    });
  }

  /** A Machine that is as small as the lab's guest allows. */
  machine(name: string, spec: object = {}, metadata: object = {}): object {
    return {
      apiVersion: 'cluster-api.k8s.io/v1alpha1',
      kind: 'Machine',
      metadata: { name, namespace: 'default', ...metadata },
      spec: { providerSpec: this.#providerSpec(spec) },
    };
  }

  /** A MachineSet or MachineDeployment of such machines. */
  fleet(
    kind: 'MachineSet' | 'MachineDeployment',
    name: string,
    spec: object = {},
    machine: object = {},
  ): object {
    const labels = { app: name };
    return {
      apiVersion: 'cluster-api.k8s.io/v1alpha1',
      kind,
      metadata: { name, namespace: 'default' },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { providerSpec: this.#providerSpec(machine) } },
        ...spec,
      },
    };
  }

  #providerSpec(spec: object): object {
    return {
      vcpu: 1,
      memoryMiB: 128,
      imageURI: this.lab.imagePath,
      running: false,
      shutdownTimeoutSeconds: 0,
      ...spec,
    };
  }

  /** `caplv` on this cluster; does not throw. */
  async caplv(...args: readonly string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    return this.caplvWith(this.env(), ...args);
  }

  /** Runs `caplv` with `env` in place of the settings of an operator who trusts all authors of manifests. */
  async caplvWith(
    env: NodeJS.ProcessEnv,
    ...args: readonly string[]
  ): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    const options = { env: env as Record<string, string>, reject: false } as const;
    const { exitCode = -1, stdout, stderr } = await execa(process.execPath, [PROGRAM, ...args], options);
    return { exitCode, stdout, stderr };
  }

  get(name: string): Promise<Machine | undefined> {
    return this.client.get(MachineKind, { namespace: 'default', name });
  }

  async ready(name: string): Promise<string | undefined> {
    const condition = (await this.get(name))?.status?.conditions?.find(({ type }) => type === 'Ready');
    return condition && `${condition.status} ${condition.reason}`;
  }

  /** Returns the names of the domains and volumes on the host. */
  async host(number = 0): Promise<{ domains: string[]; volumes: string[] }> {
    const uri = this.lab.hosts[number]?.uri ?? '';
    const names = async (...args: string[]) => {
      const { stdout } = await execa('virsh', ['-q', '-c', uri, ...args]);
      return stdout.split('\n').flatMap((line) => line.trim().split(/\s+/)[0] || []);
    };
    return { domains: await names('list', '--all', '--name'), volumes: await names('vol-list', 'default') };
  }

  /** Defines a domain on the first host, as `virsh edit` does. */
  define(xml: string): Promise<void> {
    return this.#define('define', xml);
  }

  /** A network that is not started. */
  defineNetwork(name: string, content = ''): Promise<void> {
    return this.#define('net-define', `<network><name>${name}</name>${content}</network>`);
  }

  async #define(command: string, xml: string): Promise<void> {
    const file = join(await mkdtemp(join(tmpdir(), 'caplv-define-')), 'domain.xml');
    await writeFile(file, xml);
    await this.virsh(command, file);
    await rm(dirname(file), { recursive: true });
  }

  async virsh(...args: readonly string[]): Promise<string> {
    return (await execa('virsh', ['-q', '-c', this.lab.hosts[0]?.uri ?? '', ...args])).stdout;
  }
}
