/** Starts Cluster API's managers against the API server of a lab. */

import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { freePort } from '../kube/free-port.ts';
import type { KubeLab } from '../kube/kube-lab.ts';
import { isRunning, type ProcessId, startProcess, stopProcess } from '../kube/lab-process.ts';
import { type CapiPrograms, capiPrograms } from './programs.ts';
import { PROVIDERS, type Provider } from './providers.ts';
import { redirectWebhooks } from './webhooks.ts';

const READY_TIMEOUT_MS = 120_000;

export interface CapiLabOptions {
  /** API server that they work on; it must run with its controller manager, which aggregates their roles. */
  readonly kube: KubeLab;
  /** Holds everything of this lab, keys too; made with mode 0700, removed by `down`. */
  readonly dir: string;
  /** Outlive this process. Without it the kernel ends the managers together with their starter. */
  readonly detached?: boolean;
  /** Also the IPAM provider `in-cluster` (default false). */
  readonly ipam?: boolean;
  /** Path of our own infrastructure-components.yaml in clusterctl's layout; it is installed in the same `clusterctl init`. */
  readonly infrastructure?: string;
  /** Further flags of managers, by the label of their provider. */
  readonly flags?: Readonly<Record<string, readonly string[]>>;
  readonly progress?: (line: string) => void;
}

/** The data that another process needs to end this lab: `<dir>/capi.json`. */
interface CapiLabState {
  readonly processes: Record<string, ProcessId>;
}

/** Cluster API's own managers, unmodified, as processes of this machine under their service accounts. Ready in about 15 s. */
export class CapiLab {
  readonly kube: KubeLab;
  readonly dir: string;
  private readonly programs: CapiPrograms;
  private readonly options: CapiLabOptions;
  private readonly ports = new Map<string, number>();
  private state: CapiLabState = { processes: {} };

  private constructor(options: CapiLabOptions, programs: CapiPrograms) {
    this.kube = options.kube;
    this.dir = options.dir;
    this.options = options;
    this.programs = programs;
  }

  /** Whether the managers that `up` left in that directory still run. */
  static async isRunning(dir: string): Promise<boolean> {
    const path = join(dir, 'capi.json');
    if (!existsSync(path)) return false;
    const { processes } = JSON.parse(await readFile(path, 'utf8')) as CapiLabState;
    return Object.values(processes).every(isRunning);
  }

  /** Directory with a `clusterctl` that knows the lab's repositories. */
  static binDirectory(dir: string): string {
    return join(dir, 'bin');
  }

  /** Installs the providers by `clusterctl init`, and starts their managers; resolves when all are ready. */
  static async up(options: CapiLabOptions): Promise<CapiLab> {
    const programs = await capiPrograms(options.progress);
    await CapiLab.down(options.dir);
    await mkdir(CapiLab.binDirectory(options.dir), { recursive: true, mode: 0o700 });
    const lab = new CapiLab(options, programs);
    await lab.configureClusterctl();
    await lab.kubectl(
      'apply',
      '--server-side',
      `--filename=${join(import.meta.dirname, 'cert-manager.yaml')}`,
    );
    await lab.kubectl('wait', '--for=condition=Established', '--all', 'customresourcedefinitions');
    await lab.init();
    // One after the other, since each is written down; ready they become together.
    const managers = [];
    for (const provider of lab.providers) managers.push(await lab.launch(provider));
    await Promise.all(managers.map(({ ready }) => ready));
    return lab;
  }

  /** Ends what `up` started in that directory, and removes the directory. */
  static async down(dir: string): Promise<void> {
    const path = join(dir, 'capi.json');
    if (existsSync(path)) {
      const { processes } = JSON.parse(await readFile(path, 'utf8')) as CapiLabState;
      await Promise.all(Object.values(processes).map((id) => stopProcess(id, 'SIGKILL')));
    }
    await rm(dir, { recursive: true, force: true });
  }

  async down(): Promise<void> {
    await CapiLab.down(this.dir);
  }

  get providers(): readonly Provider[] {
    return PROVIDERS.filter(({ type }) => this.options.ipam || type !== 'IPAMProvider');
  }

  /** Path of a clusterctl that knows the lab's repositories, and nothing else. */
  get clusterctlPath(): string {
    return join(CapiLab.binDirectory(this.dir), 'clusterctl');
  }

  /** Runs clusterctl on the lab's API server with these variables of a template, and returns what it prints. */
  async clusterctl(
    args: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const { stdout } = await execa(this.clusterctlPath, args, {
      env: { ...variables, KUBECONFIG: this.kube.kubeconfig },
      stdin: 'ignore',
    });
    return stdout;
  }

  /** Starts the manager of a provider after `stop`; resolves when it is ready. */
  async start(label: string): Promise<void> {
    const provider = this.providers.find((provider) => provider.label === label);
    if (!provider) throw new Error(`no provider ${label} is installed`);
    const { ready } = await this.launch(provider);
    await ready;
  }

  /** Kills a manager with SIGKILL, as in a crash. */
  async stop(label: string): Promise<void> {
    const id = this.state.processes[label];
    if (id) await stopProcess(id, 'SIGKILL');
  }

  private async launch(provider: Provider): Promise<{ readonly ready: Promise<void> }> {
    const { label } = provider;
    const kubeconfig = await this.kube.serviceAccountKubeconfig(provider.namespace, provider.serviceAccount);
    const health = await freePort();
    await this.run(label, this.programs.manager(provider), provider.namespace, [
      `--kubeconfig=${kubeconfig}`,
      '--leader-elect=false',
      `--webhook-port=${this.ports.get(label)}`,
      `--webhook-cert-dir=${join(this.dir, label)}`,
      `--${provider.healthFlag}=127.0.0.1:${health}`,
      `--diagnostics-address=127.0.0.1:${await freePort()}`,
      '--insecure-diagnostics',
      ...provider.flags,
      ...(this.options.flags?.[label] ?? []),
    ]);
    return { ready: this.waitUntilReady(label, health) };
  }

  private async configureClusterctl(): Promise<void> {
    const { infrastructure } = this.options;
    const providers = PROVIDERS.map((provider) => ({
      name: provider.name,
      type: provider.type as string,
      url: `file://${this.programs.components(provider)}`,
    }));
    if (infrastructure)
      providers.push({ name: 'libvirt', type: 'InfrastructureProvider', url: `file://${infrastructure}` });
    const config = join(this.dir, 'clusterctl.yaml');
    await writeFile(config, stringify({ providers, CLUSTER_TOPOLOGY: 'true' }), { mode: 0o600 });
    // Without the network: no newer version is looked for.
    const script = ['#!/bin/sh', 'export CLUSTERCTL_DISABLE_VERSIONCHECK=true'];
    script.push(`exec '${this.programs.clusterctl}' --config '${config}' "$@"`, '');
    await writeFile(this.clusterctlPath, script.join('\n'));
    await chmod(this.clusterctlPath, 0o755);
  }

  private async init(): Promise<void> {
    const { infrastructure, ipam, progress } = this.options;
    progress?.('installing Cluster API');
    await this.clusterctl([
      'init',
      ...['--core=cluster-api', '--bootstrap=kubeadm', '--control-plane=kubeadm'],
      ...(ipam ? ['--ipam=in-cluster'] : []),
      ...(infrastructure ? ['--infrastructure=libvirt'] : []),
    ]);
    // Not earlier: clusterctl applies webhooks with a Service, and an API server refuses a webhook with both.
    for (const { label } of this.providers) {
      const port = await freePort();
      this.ports.set(label, port);
      const { cert, key } = await this.kube.serverCertificate(`webhook-${label}`);
      await mkdir(join(this.dir, label));
      await writeFile(join(this.dir, label, 'tls.crt'), cert);
      await writeFile(join(this.dir, label, 'tls.key'), key, { mode: 0o600 });
      const ca = await readFile(this.kube.ca, 'utf8');
      await redirectWebhooks([this.kube.kubectl, `--kubeconfig=${this.kube.kubeconfig}`], label, {
        port,
        ca,
      });
    }
  }

  private async kubectl(...args: readonly string[]): Promise<void> {
    await execa(this.kube.kubectl, [`--kubeconfig=${this.kube.kubeconfig}`, ...args]);
  }

  private async run(
    name: string,
    command: string,
    namespace: string,
    args: readonly string[],
  ): Promise<void> {
    const { detached = false } = this.options;
    const id = await startProcess({
      command,
      args,
      logPath: join(this.dir, `${name}.log`),
      detached,
      env: { POD_NAMESPACE: namespace, POD_NAME: name, POD_UID: name },
    });
    this.state = { processes: { ...this.state.processes, [name]: id } };
    await writeFile(join(this.dir, 'capi.json'), JSON.stringify(this.state, null, 2), { mode: 0o600 });
  }

  private async waitUntilReady(name: string, port: number): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      const id = this.state.processes[name];
      if (!id || !isRunning(id) || performance.now() > deadline) {
        const log = await readFile(join(this.dir, `${name}.log`), 'utf8').catch(() => '');
        throw new Error(
          `the manager ${name} did not become ready: ${log.trimEnd().split('\n').slice(-5).join('\n')}`,
        );
      }
      await sleep(100);
    }
  }
}
