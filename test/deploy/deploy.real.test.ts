import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { KubeObject } from '../../src/store/store.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { Lab } from '../lab/lab.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { AuthorizationLog } from './authorization-log.ts';
import { DEPLOY, kustomize, objectOf } from './manifests.ts';
import { metricNames } from './metric-names.ts';
import { type Deployment, Pod } from './pod.ts';
import { allows, describePermission, permissionsOf, type Role } from './rbac.ts';
import { buildRootfs } from './rootfs.ts';
import { type SshKeys, startSshServer } from './ssh-server.ts';

const USER = 'system:serviceaccount:caplv-system:caplv-controller';
const MEBIBYTE = 1024 ** 2;
const SOON = { timeout: 90_000, interval: 200 };

let directory: string;
let lab: Lab;
let kube: KubeLab;
let authorization: AuthorizationLog;
let images: Server;
let sshKeys: SshKeys;
let manifests: KubeObject[];
const pods: Pod[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-deploy-'));
  [lab, kube] = await Promise.all([
    Lab.up({ name: 'deploy', hosts: 2, uplink: true, fresh: true }),
    KubeLab.up({ dir: join(directory, 'kube'), controllerManager: true }),
    buildRootfs(join(directory, 'image')),
  ]);
  authorization = await AuthorizationLog.of(kube);
  await kubectl('wait', '--for=create', 'namespace/kube-system', '--timeout=60s');
  await kubectl('apply', '--server-side', '--kustomize', join(DEPLOY, 'default'));
  await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
  manifests = await kustomize(kube.kubectl, 'default');
  sshKeys = await startSshServer(lab.hosts[1] as LibvirtHost);
  images = await serveFile(lab.imagePath);
}, 900_000);

afterAll(async () => {
  for (const pod of pods) await pod.kill();
  images?.close();
  await authorization?.close();
  await kube?.down();
  await lab?.down();
  if (directory) await rm(directory, { recursive: true, force: true });
}, 60_000);

afterEach(({ task }) => {
  if (task.result?.state !== 'fail') return;
  for (const { name, log } of pods) console.error(`${name}:\n${log.slice(-30).join('\n')}`);
});

test('the API server takes a pod as the Deployment makes it into a namespace for restricted pods', async () => {
  const { template } = deployment().spec;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...template.metadata, name: 'trial', namespace: 'caplv-system' },
    spec: template.spec,
  };
  await kubectlInput(pod, 'create', '--dry-run=server', '--filename=-');
  const root = { ...pod, spec: { ...template.spec, securityContext: {} } };
  await expect(kubectlInput(root, 'create', '--dry-run=server', '--filename=-')).rejects.toThrow(
    'violates PodSecurity',
  );
});

describe('two pods, from the image, as their ServiceAccount', () => {
  let first: Pod;
  let second: Pod;

  test('one works, the other is ready and waits', async () => {
    first = await startPod('caplv-controller-1');
    await first.says('Working');
    second = await startPod('caplv-controller-2');
    await second.says('Waiting for the lease');
    for (const pod of [first, second]) {
      await vi.waitFor(async () => expect(await pod.fetch('/readyz')).toMatchObject({ status: 200 }), SOON);
      expect(await pod.fetch('/healthz')).toMatchObject({ status: 200, text: 'ok\n' });
    }
  });

  test('a machine comes, finds its Node, and is replaced', async () => {
    await apply(cluster(), bootstrap(), machineDeployment(128));
    await available();
    const [before = ''] = await machines();
    const providerID = await kubectl('get', 'machine', before, '--output=jsonpath={.spec.providerID}');
    await apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'web-node' }, spec: { providerID } });
    await kubectl(
      'wait',
      '--for=jsonpath={.status.nodeRef.name}=web-node',
      `machine/${before}`,
      '--timeout=90s',
    );

    await apply(machineDeployment(136));
    await kubectl('wait', '--for=delete', `machine/${before}`, '--timeout=90s');
    await available();
    expect(await domains()).toHaveLength(1);
  });

  test('a machine that is taken out of its set is let go, and another made', async () => {
    const [name = ''] = await machines();
    await kubectl('label', 'machine', name, 'app-');
    await vi.waitFor(async () => expect(await machines()).toHaveLength(2), SOON);
    await kubectl('delete', 'machine', name, '--timeout=90s');
    await available();
  });

  test('a host is reached over qemu+ssh with the key of a Secret, and nothing else said', async () => {
    const uri = `qemu+ssh://root@${lab.hosts[1]?.uplink?.address}/system`;
    await apply(small('remote', { uri }));
    await kubectl('wait', '--for=condition=DomainReady', 'machine/remote', '--timeout=90s');
    expect(await domains(lab.hosts[1])).toHaveLength(1);
    await kubectl('delete', 'machine/remote', '--timeout=90s');
    expect(await domains(lab.hosts[1])).toEqual([]);
  });

  test('with all workers busy it stays within its limits', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `crowd-${index}`);
    await apply(...names.map((name) => small(name)));
    let peak = 0;
    await vi.waitFor(
      async () => {
        peak = Math.max(peak, await first.memory());
        expect(await domains()).toHaveLength(names.length + 1);
      },
      { ...SOON, interval: 50 },
    );
    await kubectl('delete', 'machine', ...names, '--timeout=90s');
    const [{ resources }] = deployment().spec.template.spec.containers;
    const limit = mebibytes(resources.limits.memory);
    console.info(`memory with four runs at a time: ${Math.ceil(peak / MEBIBYTE)} MiB of ${limit} MiB`);
    expect(peak / MEBIBYTE).toBeLessThan(limit);
  });

  test('the second takes over from a pod that is no more, with its lock and a state that plain terraform made', async () => {
    await first.kill();
    pods.splice(pods.indexOf(first), 1);
    const [machine = ''] = await machines();
    await lockState(machine, first.name);
    await second.says('Working');
    // Now the state is needed, and somebody holds it who is gone.
    await kubectl('delete', 'machine', machine, '--wait=false');
    await second.says('Released the state lock of a process that is gone');
    await kubectl('wait', '--for=delete', `machine/${machine}`, '--timeout=90s');
  });

  test('everything goes with its Cluster', async () => {
    await kubectl('delete', 'machinedeployment/web', '--timeout=90s');
    await vi.waitFor(async () => expect(await domains()).toEqual([]), SOON);
    await kubectl('delete', 'cluster/site', '--timeout=90s');
  });

  test('each metric that the dashboard and the alerts name is there', async () => {
    const { text } = await second.fetch('/metrics');
    const exposed = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
    const missing = [...(await metricNames())].filter((name) => !exposed.has(name));
    expect(missing).toEqual([]);
  });

  test('SIGTERM ends it in peace, and gives the lease away', async () => {
    pods.splice(pods.indexOf(second), 1);
    expect(await second.stop()).toBe(0);
    const holder = await kubectl(
      ...['get', 'lease/caplv-controller', '--namespace=caplv-system'],
      '--output=jsonpath={.spec.holderIdentity}',
    );
    expect(holder).toBe('');
  });

  test('it may do what it did, and nothing else', () => {
    const granted = (['ClusterRole', 'Role'] as const).flatMap((kind) =>
      permissionsOf(objectOf<Role>(manifests, kind)),
    );
    const asked = authorization.by(USER);
    const missing = asked.filter((question) => !granted.some((permission) => allows(permission, question)));
    const needless = granted.filter((permission) => !asked.some((question) => allows(permission, question)));
    expect([...new Set(missing.map(describePermission))], 'asked for and not granted').toEqual([]);
    expect([...new Set(needless.map(describePermission))], 'granted and never asked for').toEqual([]);
  });
});

function deployment(): Deployment {
  return objectOf<Deployment>(manifests, 'Deployment');
}

async function startPod(name: string): Promise<Pod> {
  const pod = await Pod.start({
    lab: kube,
    deployment: deployment(),
    rootfs: join(directory, 'image'),
    directory: join(directory, name),
    name,
    env: { CAPLV_LIBVIRT_URI: lab.hosts[0]?.tcpUri ?? '' },
    secrets: { 'caplv-libvirt-ssh': { ...sshKeys } },
  });
  pods.push(pod);
  // The pod is there for the API server, too: locks are judged by that.
  const { metadata, spec } = deployment().spec.template;
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name, namespace: 'caplv-system' },
    spec,
  };
  await kubectlInput(object, 'create', '--filename=-');
  return pod;
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

function cluster(): object {
  return object('Cluster', 'site', {
    providerSpec: { network: { name: 'site', mode: 'nat', addresses: ['10.17.9.0/24'] } },
  });
}

function bootstrap(): object {
  const metadata = { name: 'web-bootstrap', namespace: 'default' };
  return { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { value: '#!/bin/sh\necho hello\n' } };
}

function machineDeployment(memoryMiB: number): object {
  const imageURI = imageUri();
  return object('MachineDeployment', 'web', {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web', 'cluster-api.k8s.io/cluster-name': 'site' } },
      spec: {
        bootstrap: { dataSecretName: 'web-bootstrap' },
        providerSpec: { vcpu: 1, memoryMiB, imageURI, shutdownTimeoutSeconds: 0 },
      },
    },
  });
}

/** A machine that is not started. */
function small(name: string, spec: object = {}): object {
  const providerSpec = { vcpu: 1, memoryMiB: 128, imageURI: imageUri(), running: false, ...spec };
  return object('Machine', name, { providerSpec });
}

function imageUri(): string {
  const { port } = images.address() as AddressInfo;
  return `http://127.0.0.1:${port}/guest.qcow2`;
}

/** As manifests say it: `512Mi`, `1Gi`. */
function mebibytes(quantity: string): number {
  return Number.parseInt(quantity, 10) * (quantity.endsWith('Gi') ? 1024 : 1);
}

function object(kind: string, name: string, spec: object): object {
  return { apiVersion: 'cluster-api.k8s.io/v1alpha1', kind, metadata: { name, namespace: 'default' }, spec };
}

/** As a terraform leaves it whose pod loses power in the middle of an apply. */
async function lockState(machine: string, pod: string): Promise<void> {
  const info = JSON.stringify({
    ID: 'x',
    Operation: 'OperationTypeApply',
    Who: `caplv@${pod}`,
    Created: new Date(),
  });
  const annotations = { 'app.terraform.io/lock-info': info, 'caplv.cluster-api.k8s.io/pod': pod };
  const patch = JSON.stringify({ metadata: { annotations }, spec: { holderIdentity: 'x' } });
  await kubectl('patch', 'lease', `lock-tfstate-${machine}-caplv`, '--type=merge', `--patch=${patch}`);
  await kubectl('label', 'lease', `lock-tfstate-${machine}-caplv`, 'cluster-api.k8s.io/machine-name-');
  await kubectl('delete', 'pod', pod, '--namespace=caplv-system', '--grace-period=0', '--force');
}

async function available(): Promise<void> {
  const condition = '--for=jsonpath={.status.availableReplicas}=1';
  await kubectl('wait', condition, 'machinedeployment/web', '--timeout=90s');
}

async function machines(): Promise<string[]> {
  return (await kubectl('get', 'machines', '--output=jsonpath={.items[*].metadata.name}'))
    .split(' ')
    .filter(Boolean);
}

async function domains(host = lab.hosts[0]): Promise<string[]> {
  const { stdout } = await execa('virsh', ['-q', '-c', host?.uri ?? '', 'list', '--all', '--uuid']);
  return stdout.split('\n').filter(Boolean);
}

async function apply(...items: readonly object[]): Promise<void> {
  await kubectlInput({ apiVersion: 'v1', kind: 'List', items }, 'apply', '--filename=-');
}

async function kubectl(...args: readonly string[]): Promise<string> {
  return kubectlInput(undefined, ...args);
}

async function kubectlInput(input: object | undefined, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execa(kube.kubectl, ['--kubeconfig', kube.kubeconfig, ...args], {
    input: input ? JSON.stringify(input) : '',
  });
  return stdout;
}
