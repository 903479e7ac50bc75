/** Starts a libvirt host, Cluster API's managers, and the controller of a release. */

import { copyFile, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { ApiObjects } from '../capi/api-objects.ts';
import { release } from '../capi/release.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { CapiLab } from '../lab/capi/capi-lab.ts';
import { takeDown } from '../lab/capi/take-down.ts';
import { KUBERNETES_VERSION } from '../lab/kube/binaries.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { Lab } from '../lab/lab.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { nodeImage } from '../lab/node-image/node-image.ts';
import { createNodeNetwork, type NodeNetwork } from './node-network.ts';
import { Workload } from './workload.ts';

const EMULATED = join(import.meta.dirname, 'emulated');

/** Emulated etcd answers slowly, and Cluster API asks it by way of the API server. */
const CONTROL_PLANE_FLAGS = ['--etcd-dial-timeout-duration=60s', '--etcd-call-timeout-duration=120s'];

const CONTROLLER_FLAGS = ['--namespace', 'caplv-system', '--serving-certificates', 'approve'];

const SIZES = {
  CONTROL_PLANE_VCPU: '2',
  CONTROL_PLANE_MEMORY_MIB: '3072',
  CONTROL_PLANE_DISK_GB: '6',
  WORKER_VCPU: '1',
  WORKER_MEMORY_MIB: '1280',
  WORKER_DISK_GB: '6',
};

/**
 * A private libvirt host, Cluster API's own managers, and our controller as a release installs it: all that a cluster of real nodes is made
 * by. Objects are of namespace `default`.
 */
export class NodeWorld {
  readonly lab: Lab;
  readonly kube: KubeLab;
  readonly capi: CapiLab;
  readonly objects: ApiObjects;
  /** The one that runs now; see `crash`. */
  controller: ControllerProcess;
  readonly network: NodeNetwork;
  readonly #image: string;
  readonly #name: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(
    parts: Pick<NodeWorld, 'lab' | 'kube' | 'capi' | 'controller' | 'network'>,
    image: string,
    name: string,
    env: NodeJS.ProcessEnv,
  ) {
    this.lab = parts.lab;
    this.kube = parts.kube;
    this.capi = parts.capi;
    this.controller = parts.controller;
    this.network = parts.network;
    this.objects = new ApiObjects(parts.kube);
    this.#image = image;
    this.#name = name;
    this.#env = env;
  }

  /** `name`: of the lab. What a former run of that name left is taken down. */
  static async up(name: string, progress: (line: string) => void = () => {}): Promise<NodeWorld> {
    const image = await nodeImage(progress);
    await takeDown(name);
    try {
      progress('starting a private libvirt, a Kubernetes API server and Cluster API (half a minute)');
      const lab = await Lab.up({ name, uplink: true, progress });
      const { directory } = lab;
      const [host] = lab.hosts;
      if (!host) throw new Error('the lab has no host');
      const network = await createNodeNetwork(host);
      const infrastructure = await release(directory);
      const kube = await KubeLab.up({ dir: join(directory, 'kube'), controllerManager: true, progress });
      const capi = await CapiLab.up({
        kube,
        dir: join(directory, 'capi'),
        infrastructure,
        flags: { 'control-plane-kubeadm': CONTROL_PLANE_FLAGS },
        progress,
      });
      const kubeconfig = await kube.serviceAccountKubeconfig('caplv-system', 'caplv-controller');
      const env = { ...lab.env(), CAPLV_KUBECONFIG: kubeconfig, CAPLV_ALLOW: 'everything' };
      const controller = await ControllerProcess.start(env, CONTROLLER_FLAGS);
      return new NodeWorld({ lab, kube, capi, controller, network }, image, name, env);
    } catch (error) {
      await takeDown(name);
      throw error;
    }
  }

  async down(): Promise<void> {
    await this.controller.stop();
    await takeDown(this.#name);
  }

  /** Kills the controller with SIGKILL and starts it again, as its Deployment would. */
  async crash(): Promise<void> {
    await this.controller.kill();
    this.controller = await ControllerProcess.start(this.#env, CONTROLLER_FLAGS);
  }

  /** Restarts libvirtd; guests go on running. */
  async restartLibvirtd(): Promise<void> {
    await this.#host.stopLibvirtd();
    await this.#host.startLibvirtd();
  }

  /** How often each domain was started since it was made the first time, by the logs that libvirt keeps of all of them. */
  async starts(): Promise<Map<string, number>> {
    const directory = join(this.#host.directory, 'log/qemu');
    const logs = (await readdir(directory)).filter((name) => name.endsWith('.log'));
    const counts = logs.map(async (name) => {
      const text = await readFile(join(directory, name), 'utf8');
      return [name.replace(/\.log$/, ''), text.match(/: starting up /g)?.length ?? 0] as const;
    });
    return new Map(await Promise.all(counts));
  }

  get #host(): LibvirtHost {
    const [host] = this.lab.hosts;
    if (!host) throw new Error('the lab has no host');
    return host;
  }

  async virsh(...args: readonly string[]): Promise<string> {
    return (await execa('virsh', ['-q', '-c', this.#host.uri, ...args])).stdout;
  }

  /** Names of all domains of the host. */
  async domains(): Promise<string[]> {
    return (await this.virsh('list', '--all', '--name')).split('\n').filter(Boolean);
  }

  /**
   * Returns what `clusterctl generate cluster` writes of the template of the release, with the changes of emulated/: a control plane machine and a
   * worker.
   */
  async generate(cluster: string): Promise<string> {
    const directory = join(this.lab.directory, 'template');
    await mkdir(directory, { recursive: true });
    await cp(EMULATED, directory, { recursive: true });
    await copyFile(
      join(this.lab.directory, 'infrastructure-libvirt/v0.1.0/cluster-template.yaml'),
      join(directory, 'cluster-template.yaml'),
    );
    const { stdout } = await execa(this.kube.kubectl, ['kustomize', directory]);
    const template = join(directory, 'emulated.yaml');
    await writeFile(template, stdout);
    return this.capi.clusterctl(
      [
        ...['generate', 'cluster', cluster, '--from', template, '--target-namespace=default'],
        ...[`--kubernetes-version=v${KUBERNETES_VERSION}`, '--control-plane-machine-count=1'],
        '--worker-machine-count=1',
      ],
      {
        LIBVIRT_URI: this.#host.uri,
        LIBVIRT_NETWORK: this.network.name,
        LIBVIRT_IMAGE_URI: this.#image,
        CONTROL_PLANE_ENDPOINT_HOST: this.network.endpoint,
        ...SIZES,
      },
    );
  }

  /** Copies a LibvirtMachineTemplate, with changes to its machines. Returns its name. */
  async copyTemplate(name: string, changes: object): Promise<string> {
    const copy = `${name}-changed`;
    const found = await this.objects.get('libvirtmachinetemplates', name);
    const template = found?.spec?.['template'] as { readonly spec: object };
    await this.objects.apply({
      apiVersion: found?.apiVersion,
      kind: found?.kind,
      metadata: { name: copy, namespace: 'default' },
      spec: { template: { ...template, spec: { ...template.spec, ...changes } } },
    });
    return copy;
  }

  /** Connects as a user would, with the kubeconfig in the Secret of the Cluster. */
  async workload(cluster: string): Promise<Workload> {
    const kubeconfig = join(this.lab.directory, `${cluster}.kubeconfig`);
    const text = await this.capi.clusterctl(['get', 'kubeconfig', cluster]);
    await writeFile(kubeconfig, text, { mode: 0o600 });
    return new Workload(this.kube.kubectl, kubeconfig);
  }
}
