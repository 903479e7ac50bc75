/**
 * Runs one pod without containers, as a kubelet would: the root file system of the image, and the user, volumes, arguments
 * and environment of the manifest. The pod shares the network of this machine.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { vi } from 'vitest';
import type { KubeLab } from '../lab/kube/kube-lab.ts';
import type { Deployment } from './manifests.ts';
import { layOutVolumes } from './pod-volumes.ts';

export interface PodOptions {
  readonly lab: KubeLab;
  readonly deployment: Deployment;
  /** Root file system of the image. It is not written to. */
  readonly rootfs: string;
  /** For what the kubelet keeps of a pod; made and removed. */
  readonly directory: string;
  /** Of the pod, and so its host name. */
  readonly name: string;
  /** As the ConfigMap would have it. */
  readonly env: Readonly<Record<string, string>>;
  /** By name of the Secret, then by name of the file. */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Of the image, as Dockerfile and Dockerfile.rootfs say. */
export const ENTRYPOINT = ['tini', '--', 'caplv'];
const SOON = { timeout: 60_000, interval: 100 };

export class Pod {
  readonly name: string;
  /** The lines that the pod wrote to stderr. */
  readonly log: string[] = [];
  readonly #directory: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(options: PodOptions, process: ChildProcess) {
    this.name = options.name;
    this.#directory = options.directory;
    this.#process = process;
    this.#ended = once(process, 'close');
    if (process.stderr) createInterface(process.stderr).on('line', (line) => this.log.push(line));
  }

  static async start(options: PodOptions): Promise<Pod> {
    const { lab, deployment, rootfs, directory, name } = options;
    const { spec } = deployment.spec.template;
    const [container] = spec.containers;
    const { runAsUser, runAsGroup } = spec.securityContext;
    await mkdir(directory, { recursive: true, mode: 0o755 });
    await writeFile(join(directory, 'hostname'), name);
    await writeFile(
      join(directory, 'mounts'),
      (await layOutVolumes(options)).map((line) => `${line}\n`).join(''),
    );
    const { hostname: host, port: serverPort } = new URL(lab.url);
    const env = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOSTNAME: name,
      KUBERNETES_SERVICE_HOST: host,
      KUBERNETES_SERVICE_PORT: serverPort,
      ...options.env,
      ...Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value])),
    };
    // Pods share a network here, so each takes what port is free.
    const args = container.args.map((arg) => arg.replace(/^--listen=.*/, '--listen=127.0.0.1:0'));
    const namespaces = ['--mount', '--pid', '--ipc', '--uts', '--propagation=private'];
    const script = join(import.meta.dirname, 'pod.sh');
    const user = `${runAsUser}:${runAsGroup}`;
    const unshare = ['unshare', ...namespaces, '--fork', '--kill-child', 'sh', script, directory, rootfs];
    // The pod ends with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig=KILL', ...unshare, user, ...ENTRYPOINT, ...args], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return new Pod(options, child);
  }

  /** Resolves with the first log line that has this message. */
  async says(message: string): Promise<Readonly<Record<string, unknown>>> {
    return vi.waitFor(() => {
      const line = this.log.find((text) => text.includes(`"message":"${message}"`));
      if (!line)
        throw new Error(`${this.name} does not say "${message}", but:\n${this.log.slice(-5).join('\n')}`);
      return JSON.parse(line);
    }, SOON);
  }

  /** A page of its HTTP server. */
  async fetch(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const { port } = await this.says('Starting');
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  }

  /** Sends SIGTERM to the first process, as the kubelet does. Returns its exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  /** Kills the pod, as when its node loses power. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** With its first process all others of its namespace end. */
  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const [first] = await childrenOf(this.#process.pid ?? 0);
    if (first !== undefined) process.kill(first, signal);
    await this.#ended;
    await rm(this.#directory, { recursive: true, force: true });
    return this.#process.exitCode;
  }

  /** Names of what is in a directory of its file system. */
  async list(directory: string): Promise<string[]> {
    const [first] = await childrenOf(this.#process.pid ?? 0);
    return readdir(join(`/proc/${first}/root`, directory));
  }

  /** Resident memory of all its processes in bytes. Pages that they share count for each: what a limit sees is less. */
  async memory(): Promise<number> {
    const sizes = (await descendantsOf(this.#process.pid ?? 0)).map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    });
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

async function descendantsOf(pid: number): Promise<number[]> {
  const children = await childrenOf(pid);
  return [...children, ...(await Promise.all(children.map(descendantsOf))).flat()];
}
