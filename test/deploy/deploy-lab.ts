/** Starts a cluster in which deploy/default is installed. */

import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { KubeObject } from '../../src/apimachinery/object.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { Lab } from '../lab/lab.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { AuthorizationLog } from './authorization-log.ts';
import { DEPLOY, type Deployment, kustomize, objectOf } from './manifests.ts';
import { Pod } from './pod.ts';
import { buildRootfs } from './rootfs.ts';
import { type SshKeys, startSshServer } from './ssh-server.ts';

/** A cluster with deploy/default installed, two hosts (one by qemu+tcp, one by qemu+ssh), and the image. */
export class DeployLab {
  readonly authorization: AuthorizationLog;
  /** The objects of deploy/default. */
  readonly manifests: readonly KubeObject[];
  readonly #directory: string;
  readonly #lab: Lab;
  readonly #kube: KubeLab;
  readonly #images: Server;
  readonly #sshKeys: SshKeys;
  readonly #pods = new Set<Pod>();

  private constructor(parts: {
    readonly directory: string;
    readonly lab: Lab;
    readonly kube: KubeLab;
    readonly authorization: AuthorizationLog;
    readonly manifests: readonly KubeObject[];
    readonly images: Server;
    readonly sshKeys: SshKeys;
  }) {
    this.#directory = parts.directory;
    this.#lab = parts.lab;
    this.#kube = parts.kube;
    this.#images = parts.images;
    this.#sshKeys = parts.sshKeys;
    this.authorization = parts.authorization;
    this.manifests = parts.manifests;
  }

  static async up(): Promise<DeployLab> {
    const directory = await mkdtemp(join(tmpdir(), 'caplv-deploy-'));
    const [lab, kube] = await Promise.all([
      Lab.up({ name: 'deploy', hosts: 2, uplink: true, fresh: true }),
      KubeLab.up({ dir: join(directory, 'kube'), controllerManager: true }),
      buildRootfs(join(directory, 'image')),
    ]);
    const authorization = await AuthorizationLog.of(kube);
    const manifests = await kustomize(kube.kubectl, 'default');
    const images = await serveFile(lab.imagePath);
    const sshKeys = await startSshServer(lab.hosts[1] as LibvirtHost);
    const made = new DeployLab({ directory, lab, kube, authorization, manifests, images, sshKeys });
    await made.kubectl('wait', '--for=create', 'namespace/kube-system', '--timeout=60s');
    await made.kubectl('apply', '--server-side', '--kustomize', join(DEPLOY, 'default'));
    await made.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
    return made;
  }

  async down(): Promise<void> {
    for (const pod of this.#pods) await pod.kill();
    this.#images.close();
    await this.authorization.close();
    await this.#kube.down();
    await this.#lab.down();
    await rm(this.#directory, { recursive: true, force: true });
  }

  get deployment(): Deployment {
    return objectOf<Deployment>(this.manifests, 'Deployment');
  }

  /** An image that boots, as everybody on this machine can read it. */
  get imageURI(): string {
    const { port } = this.#images.address() as AddressInfo;
    return `http://127.0.0.1:${port}/guest.qcow2`;
  }

  /** Of the second host. */
  get sshUri(): string {
    return `qemu+ssh://root@${this.#lab.hosts[1]?.uplink?.address}/system`;
  }

  /** A pod of the Deployment, for the API server too: locks are judged by what it says of pods. */
  async startPod(name: string): Promise<Pod> {
    await this.kubectlInput(this.podObject(name), 'create', '--filename=-');
    const pod = await Pod.start({
      lab: this.#kube,
      deployment: this.deployment,
      rootfs: join(this.#directory, 'image'),
      directory: join(this.#directory, name),
      name,
      env: {
        CAPLV_LIBVIRT_URI: this.#lab.hosts[0]?.tcpUri ?? '',
        CAPLV_ALLOW: `${new URL('/', this.imageURI).href},host:${this.sshUri}`,
      },
      secrets: { 'caplv-libvirt-ssh': { ...this.#sshKeys } },
    });
    this.#pods.add(pod);
    return pod;
  }

  podObject(name: string): KubeObject & Pick<Deployment['spec']['template'], 'spec'> {
    const { metadata, spec } = this.deployment.spec.template;
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, name, namespace: 'caplv-system' },
      spec,
    };
  }

  /** Prints the last log lines of each pod, to explain the failure of a test. */
  printLogs(): void {
    for (const { name, log } of this.#pods) console.error(`${name}:\n${log.slice(-30).join('\n')}`);
  }

  async apply(...items: readonly object[]): Promise<void> {
    await this.kubectlInput({ apiVersion: 'v1', kind: 'List', items }, 'apply', '--filename=-');
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return this.kubectlInput(undefined, ...args);
  }

  async kubectlInput(input: object | undefined, ...args: readonly string[]): Promise<string> {
    const { stdout } = await execa(this.#kube.kubectl, ['--kubeconfig', this.#kube.kubeconfig, ...args], {
      input: input ? JSON.stringify(input) : '',
    });
    return stdout;
  }

  /** Of the administrator. */
  kubeconfig(): Promise<string> {
    return readFile(this.#kube.kubeconfig, 'utf8');
  }

  /** Names of the Machines of namespace default. */
  async machines(): Promise<string[]> {
    const names = await this.kubectl('get', 'machines', '--output=jsonpath={.items[*].metadata.name}');
    return names.split(' ').filter(Boolean);
  }

  /** UUIDs of the domains of a host, running or not; 0 is the first. */
  async domains(host = 0): Promise<string[]> {
    const uri = this.#lab.hosts[host]?.uri ?? '';
    const { stdout } = await execa('virsh', ['-q', '-c', uri, 'list', '--all', '--uuid']);
    return stdout.split('\n').filter(Boolean);
  }
}

/** At any path of 127.0.0.1. */
async function serveFile(path: string): Promise<Server> {
  const { size } = await stat(path);
  const server = createServer((request, response) => {
    response.setHeader('Content-Length', size);
    if (request.method === 'HEAD') response.end();
    else createReadStream(path).pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
