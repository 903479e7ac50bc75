/** Starts an API server of its own, with etcd and a controller manager. */

import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../../../src/kube/client/client.ts';
import { loadConnection } from '../../../src/kube/client/kubeconfig.ts';
import { type KubeBinaries, kubeBinaries } from './binaries.ts';
import { CertificateAuthority, type KeyPair } from './certificates.ts';
import { compactEtcd, etcdArguments } from './etcd.ts';
import { freePort } from './free-port.ts';
import { writeKubeconfig } from './kubeconfig-file.ts';
import { isRunning, type ProcessId, startProcess, stopProcess } from './lab-process.ts';

export interface KubeLabOptions {
  /** Holds everything of this lab, keys too; made with mode 0700, removed by `down`. */
  readonly dir: string;
  /** Also run garbage collection, namespace deletion, service accounts and aggregated roles (kube-controller-manager; 60 MB). */
  readonly controllerManager?: boolean;
  /** Outlive this process. Without it the kernel ends the lab together with its starter. */
  readonly detached?: boolean;
  readonly progress?: (line: string) => void;
}

/** The data that another process needs to find this lab: `<dir>/kube.json`. */
interface KubeLabState {
  readonly url: string;
  readonly etcdUrl: string;
  readonly controllerManager: boolean;
  readonly detached: boolean;
  readonly binaries: KubeBinaries;
  readonly processes: Record<string, ProcessId>;
}

const CONTROLLERS = [
  'garbage-collector-controller',
  'namespace-controller',
  'serviceaccount-controller',
  'clusterrole-aggregation-controller',
];
/** As long as the certificates. */
const TOKEN_SECONDS = 30 * 24 * 3600;
const READY_TIMEOUT_MS = 60_000;

/** A real API server with etcd on loopback, with a CA and RBAC of its own. Ready in about three seconds. */
export class KubeLab {
  readonly dir: string;
  /** Of a member of system:masters. Mode 0600. */
  readonly kubeconfig: string;
  private state: KubeLabState;
  private readonly authority: CertificateAuthority;

  private constructor(dir: string, state: KubeLabState) {
    this.dir = dir;
    this.state = state;
    this.kubeconfig = join(dir, 'admin.kubeconfig');
    this.authority = CertificateAuthority.at(join(dir, 'pki'));
  }

  /** `https://127.0.0.1:<port>`; stays the same over restarts. */
  get url(): string {
    return this.state.url;
  }

  /** Path of the CA certificate. */
  get ca(): string {
    return this.authority.certPath;
  }

  get kubectl(): string {
    return this.state.binaries.kubectl;
  }

  /** Process ids of the API server and of its etcd. */
  get pids(): readonly number[] {
    return ['kube-apiserver', 'etcd'].flatMap((name) => this.state.processes[name]?.pid ?? []);
  }

  /** The lab that `up` left in that directory, if it still runs. */
  static async find(dir: string): Promise<KubeLab | undefined> {
    const path = join(dir, 'kube.json');
    if (!existsSync(path)) return undefined;
    const lab = new KubeLab(dir, JSON.parse(await readFile(path, 'utf8')) as KubeLabState);
    return Object.values(lab.state.processes).every(isRunning) ? lab : undefined;
  }

  /** Starts the lab, or finds it running. */
  static async up(options: KubeLabOptions): Promise<KubeLab> {
    const { dir, controllerManager = false, detached = false, progress } = options;
    const running = await KubeLab.find(dir);
    if (running) return running;
    const binaries = await kubeBinaries(progress);
    await KubeLab.down(dir);
    await mkdir(dir, { recursive: true, mode: 0o700 });

    const authority = await CertificateAuthority.create(join(dir, 'pki'));
    await authority.server('apiserver', ['127.0.0.1', 'localhost', 'kubernetes.default.svc']);
    const lab = new KubeLab(dir, {
      url: `https://127.0.0.1:${await freePort()}`,
      etcdUrl: `http://127.0.0.1:${await freePort()}`,
      controllerManager,
      detached,
      binaries,
      processes: {},
    });
    await lab.userKubeconfig('admin', ['system:masters']);
    await lab.startEtcd();
    await lab.startApiServer();
    if (controllerManager) await lab.startControllerManager();
    return lab;
  }

  /** Ends what `up` started in that directory, and removes the directory. */
  static async down(dir: string): Promise<void> {
    const path = join(dir, 'kube.json');
    if (!existsSync(path)) return;
    const { processes } = JSON.parse(await readFile(path, 'utf8')) as KubeLabState;
    for (const name of ['kube-controller-manager', 'kube-apiserver', 'etcd']) {
      const id = processes[name];
      if (id) await stopProcess(id, 'SIGKILL');
    }
    await rm(dir, { recursive: true, force: true });
  }

  async down(): Promise<void> {
    await KubeLab.down(this.dir);
  }

  /** Kills the API server with SIGKILL, as in a crash. etcd, and so every object, stays. */
  async stopApiServer(): Promise<void> {
    const id = this.state.processes['kube-apiserver'];
    if (id) await stopProcess(id, 'SIGKILL');
  }

  /** Resolves when it is ready, on the same port as before. `flags`: more than the usual ones, or in their place. */
  async startApiServer(flags: Readonly<Record<string, string>> = {}): Promise<void> {
    const pki = (name: string) => join(this.dir, 'pki', name);
    const all = {
      'etcd-servers': this.state.etcdUrl,
      'bind-address': '127.0.0.1',
      'advertise-address': '127.0.0.1',
      'secure-port': new URL(this.url).port,
      'tls-cert-file': pki('apiserver.crt'),
      'tls-private-key-file': pki('apiserver.key'),
      'client-ca-file': this.ca,
      'cert-dir': pki(''),
      'authorization-mode': 'RBAC',
      'endpoint-reconciler-type': 'none',
      'service-cluster-ip-range': '10.96.0.0/16',
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-account-key-file': pki('apiserver.crt'),
      'service-account-signing-key-file': pki('apiserver.key'),
      // No pods run here, and without a controller manager their service accounts would be missing.
      'disable-admission-plugins': 'ServiceAccount',
      ...flags,
    };
    const args = Object.entries(all).map(([flag, value]) => `--${flag}=${value}`);
    await this.run('kube-apiserver', this.state.binaries.apiServer, args);
    await this.waitUntilReady();
  }

  /** Kills API server and etcd with SIGKILL, as when the control plane loses power. Objects stay. */
  async stop(): Promise<void> {
    await this.stopApiServer();
    const id = this.state.processes['etcd'];
    if (id) await stopProcess(id, 'SIGKILL');
  }

  /** After `stop`, or `stopApiServer`. Resolves when all is ready, on the same port as before. */
  async start(): Promise<void> {
    const id = this.state.processes['etcd'];
    if (!id || !isRunning(id)) await this.startEtcd();
    await this.startApiServer();
  }

  async restartApiServer(): Promise<void> {
    await this.stopApiServer();
    await this.startApiServer();
  }

  /** A client as `system:masters`; close it. */
  async client(): Promise<Client> {
    return new Client(await loadConnection({ kubeconfig: this.kubeconfig }));
  }

  /** Path of a kubeconfig (client certificate) for that user. What it may do is up to RBAC. */
  async userKubeconfig(user: string, groups: readonly string[] = []): Promise<string> {
    const { cert, key } = await this.authority.client(user, groups);
    return this.writeKubeconfig(user, {
      'client-certificate-data': Buffer.from(cert).toString('base64'),
      'client-key-data': Buffer.from(key).toString('base64'),
    });
  }

  /** Returns a certificate for a server on loopback, signed by the authority of the lab. */
  async serverCertificate(name: string): Promise<KeyPair> {
    return this.authority.server(name, ['127.0.0.1', 'localhost']);
  }

  /** A token of that service account, which must exist; valid for 30 days. */
  async serviceAccountToken(namespace: string, name: string): Promise<string> {
    const client = await this.client();
    try {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
      const spec = { expirationSeconds: TOKEN_SECONDS };
      const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
      const answer = JSON.parse(await client.raw('POST', path, request)) as { status: { token: string } };
      return answer.status.token;
    } finally {
      client.close();
    }
  }

  /** Path of a kubeconfig for that service account. */
  async serviceAccountKubeconfig(namespace: string, name: string): Promise<string> {
    const token = await this.serviceAccountToken(namespace, name);
    return this.writeKubeconfig(`${namespace}.${name}`, { token });
  }

  private async writeKubeconfig(user: string, credentials: Record<string, string>): Promise<string> {
    const path = join(this.dir, `${user.replaceAll(/[^a-z0-9.-]/gi, '_')}.kubeconfig`);
    await writeKubeconfig({ path, server: this.url, caPath: this.ca, user, credentials });
    return path;
  }

  /** Forgets all revisions of etcd before the present one: an old resourceVersion is then answered by 410. */
  async compact(): Promise<void> {
    await compactEtcd(this.state.etcdUrl);
  }

  private async startEtcd(): Promise<void> {
    const peerUrl = `http://127.0.0.1:${await freePort()}`;
    const etcd = { dataDir: join(this.dir, 'etcd'), url: this.state.etcdUrl, peerUrl };
    await this.run('etcd', this.state.binaries.etcd, etcdArguments(etcd));
  }

  private async startControllerManager(): Promise<void> {
    await this.run('kube-controller-manager', this.state.binaries.controllerManager, [
      `--kubeconfig=${this.kubeconfig}`,
      `--controllers=${CONTROLLERS.join(',')}`,
      '--leader-elect=false',
      '--secure-port=0',
    ]);
  }

  private async run(name: string, command: string, args: readonly string[]): Promise<void> {
    const logPath = join(this.dir, `${name}.log`);
    const id = await startProcess({ command, args, logPath, detached: this.state.detached });
    this.state = { ...this.state, processes: { ...this.state.processes, [name]: id } };
    await writeFile(join(this.dir, 'kube.json'), JSON.stringify(this.state, null, 2), { mode: 0o600 });
  }

  private async waitUntilReady(): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    const client = await this.client();
    try {
      for (;;) {
        const answer = await client.raw('GET', '/readyz').catch((error: Error) => error);
        if (!(answer instanceof Error)) return;
        const alive = Object.values(this.state.processes).every(isRunning);
        if (!alive || performance.now() > deadline) {
          const log = await readFile(join(this.dir, 'kube-apiserver.log'), 'utf8').catch(() => '');
          const end = log.trimEnd().split('\n').slice(-5).join('\n');
          throw new Error(`the API server did not become ready: ${end}`, { cause: answer });
        }
        await sleep(100);
      }
    } finally {
      client.close();
    }
  }
}
