/**
 * Verifies the life of LibvirtMachines and LibvirtClusters with Cluster API's managers. The controller has the rights of its
 * ServiceAccount, and starts before their kinds are served.
 */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { CapiLab } from '../lab/capi/capi-lab.ts';

const soon = { timeout: 180_000, interval: 300 };
const CAPI = 'cluster.x-k8s.io/v1beta2';
const INFRASTRUCTURE = 'infrastructure.cluster.x-k8s.io/v1alpha1';
const GROUP = 'infrastructure.cluster.x-k8s.io';

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));

let lab: ClusterLab;
let capi: CapiLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('test-infrastructure', 2, { controllerManager: true });
  // As its ServiceAccount, with the rights of deploy/ and no others.
  await lab.kubectl('create', 'namespace', 'caplv-system');
  for (const folder of ['rbac', 'infrastructure/rbac'])
    await lab.kubectl('apply', '-k', join(DEPLOY, folder));
  // Nor are those of the original API there yet.
  await lab.kubectl('delete', '--filename', join(DEPLOY, 'crds'));
  controller = await startController();
  await lab.kubectl('apply', '-k', join(DEPLOY, 'infrastructure/crds'));
  capi = await CapiLab.up({ kube: lab.kube, dir: await mkdtemp(join(tmpdir(), 'caplv-capi-')) });
}, 900_000);

async function startController(): Promise<ControllerProcess> {
  const kubeconfig = await lab.kube.serviceAccountKubeconfig('caplv-system', 'caplv-controller');
  const env = { ...lab.env(), CAPLV_KUBECONFIG: kubeconfig };
  return ControllerProcess.start(env, ['--sweep-interval', '5s', '--namespace', 'caplv-system']);
}

afterAll(async () => {
  await controller?.stop();
  await capi?.down();
  await lab?.down();
});

const machineSpec = (spec: object = {}) => ({
  vcpu: 1,
  memoryMiB: 128,
  imageURI: lab.lab.imagePath,
  running: false,
  shutdownTimeoutSeconds: 0,
  ...spec,
});

const metadata = (name: string, more: object = {}) => ({ name, namespace: 'default', ...more });

/** A Cluster with its LibvirtCluster on both hosts of the lab, the second of which is no place for a control plane. */
function cluster(name: string, { cluster: own = {}, infrastructure = {} } = {}): object[] {
  const hosts = lab.lab.hosts.map(({ uri }, index) => ({ name: `rack${index + 1}`, uri }));
  return [
    {
      apiVersion: INFRASTRUCTURE,
      kind: 'LibvirtCluster',
      metadata: metadata(name),
      spec: {
        hosts,
        failureDomains: [{ name: 'rack2', controlPlane: false }],
        controlPlaneEndpoint: { host: '192.0.2.1', port: 6443 },
        ...infrastructure,
      },
    },
    {
      apiVersion: CAPI,
      kind: 'Cluster',
      metadata: metadata(name),
      spec: {
        clusterNetwork: { pods: { cidrBlocks: ['10.244.0.0/16'] } },
        infrastructureRef: { apiGroup: GROUP, kind: 'LibvirtCluster', name },
        ...own,
      },
    },
  ];
}

function bootstrapSecret(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadata(name),
    type: 'cluster.x-k8s.io/secret',
    stringData: {
      value: '#cloud-config\nhostname: "{{ ds.meta_data.local_hostname }}"\n',
      format: 'cloud-config',
    },
  };
}

function deployment(name: string, of: string, replicas: number, spec: object = {}): object[] {
  const template = { apiGroup: GROUP, kind: 'LibvirtMachineTemplate', name };
  return [
    {
      apiVersion: INFRASTRUCTURE,
      kind: 'LibvirtMachineTemplate',
      metadata: metadata(name),
      spec: { template: { metadata: { labels: { tier: 'gold' } }, spec: machineSpec() } },
    },
    {
      apiVersion: CAPI,
      kind: 'MachineDeployment',
      metadata: metadata(name),
      spec: {
        clusterName: of,
        replicas,
        selector: { matchLabels: { set: name } },
        template: {
          metadata: { labels: { set: name } },
          spec: {
            clusterName: of,
            version: 'v1.36.0',
            bootstrap: { dataSecretName: 'boot' },
            infrastructureRef: template,
            ...spec,
          },
        },
      },
    },
  ];
}

/** A Machine of Cluster API with its own LibvirtMachine. */
function machine(name: string, of: string, { machine: own = {}, libvirt = {} } = {}): object[] {
  return [
    {
      apiVersion: INFRASTRUCTURE,
      kind: 'LibvirtMachine',
      metadata: metadata(name, { labels: { 'cluster.x-k8s.io/cluster-name': of } }),
      spec: machineSpec(libvirt),
    },
    {
      apiVersion: CAPI,
      kind: 'Machine',
      metadata: metadata(name),
      spec: {
        clusterName: of,
        bootstrap: { dataSecretName: 'boot' },
        infrastructureRef: { apiGroup: GROUP, kind: 'LibvirtMachine', name },
        ...own,
      },
    },
  ];
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

interface Seen {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly labels?: Record<string, string>;
    readonly finalizers?: string[];
    readonly ownerReferences?: object[];
  };
  readonly spec: Record<string, unknown>;
  readonly status?: {
    readonly phase?: string;
    readonly failureDomain?: string;
    readonly failureDomains?: unknown;
    readonly initialization?: Record<string, boolean>;
    readonly addresses?: { readonly type: string; readonly address: string }[];
    readonly conditions?: Condition[];
  };
}

async function read(resource: string, name: string): Promise<Seen | undefined> {
  const text = await lab.kubectl('get', resource, name, '-o', 'json', '--ignore-not-found');
  return text === '' ? undefined : (JSON.parse(text) as Seen);
}

async function listed(resource: string): Promise<Seen[]> {
  return (JSON.parse(await lab.kubectl('get', resource, '-o', 'json')) as { items: Seen[] }).items;
}

async function condition(resource: string, name: string, type = 'Ready'): Promise<string | undefined> {
  const found = (await read(resource, name))?.status?.conditions?.find((one) => one.type === type);
  return found && `${found.status} ${found.reason}: ${found.message}`;
}

const ready = (name: string) => condition(`libvirtmachine.${GROUP}`, name);
const domains = async (host = 0) => (await lab.host(host)).domains.sort();

it('kinds that come after the start are served without a restart: a Cluster is provisioned, with its failure domains', async () => {
  await controller.says('Serving the current Cluster API');
  await lab.apply(bootstrapSecret('boot'), ...cluster('fuji'));
  await expect
    .poll(() => condition('cluster.cluster.x-k8s.io', 'fuji', 'InfrastructureReady'), soon)
    .toMatch(/^True/);
  expect((await read('libvirtcluster', 'fuji'))?.status).toMatchObject({
    initialization: { provisioned: true },
    failureDomains: [
      { name: 'rack1', controlPlane: true },
      { name: 'rack2', controlPlane: false },
    ],
  });
  const told = await read('cluster.cluster.x-k8s.io', 'fuji');
  expect(told?.spec['controlPlaneEndpoint']).toEqual({ host: '192.0.2.1', port: 6443 });
  expect(told?.status?.initialization).toMatchObject({ infrastructureProvisioned: true });
});

it('a MachineDeployment scales 0, 3, 1, 0 to virtual machines and back, in the failure domain that it names', async () => {
  await lab.apply(...deployment('workers', 'fuji', 3, { failureDomain: 'rack2' }));
  await expect
    .poll(async () => (await listed('machines.cluster.x-k8s.io')).map(({ status }) => status?.phase), soon)
    .toEqual(['Provisioned', 'Provisioned', 'Provisioned']);
  const machines = await listed('libvirtmachines');
  expect(await domains(1)).toEqual(machines.map(({ metadata: { name } }) => `default.capi~${name}`).sort());
  expect(await domains(0)).toEqual([]);
  for (const { metadata, spec, status } of machines) {
    expect(spec['providerID']).toBe(`libvirt:///${metadata.uid}`);
    expect(metadata.labels).toMatchObject({ tier: 'gold', 'cluster.x-k8s.io/cluster-name': 'fuji' });
    expect(status).toMatchObject({ failureDomain: 'rack2', initialization: { provisioned: true } });
    expect(status?.addresses).toContainEqual({ type: 'Hostname', address: metadata.name });
  }
  expect((await read('libvirtmachinetemplate', 'workers'))?.status).toEqual({
    capacity: { cpu: '1', memory: '128Mi' },
    nodeInfo: { architecture: 'amd64', operatingSystem: 'linux' },
  });
  await lab.kubectl('scale', 'machinedeployments.cluster.x-k8s.io/workers', '--replicas=1');
  await expect.poll(async () => (await domains(1)).length, soon).toBe(1);
  await lab.kubectl('scale', 'machinedeployments.cluster.x-k8s.io/workers', '--replicas=0');
  await expect.poll(() => listed('libvirtmachines'), soon).toEqual([]);
  expect(await domains(1)).toEqual([]);
  expect(await lab.kubectl('get', 'secrets', '-l', 'tfstateSecretSuffix=caplv-capi', '-o', 'name')).toBe('');
});

it('a Machine of the original API of the same name stands beside a LibvirtMachine; neither is an orphan', async () => {
  await lab.apply(...machine('twin', 'fuji', { machine: { failureDomain: 'rack1' } }));
  await lab.kubectl('apply', '--filename', join(DEPLOY, 'crds'));
  await lab.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
  await lab.apply(lab.machine('twin', { uri: lab.lab.hosts[0]?.uri }));
  await expect.poll(() => ready('twin'), soon).toMatch(/^True/);
  await expect.poll(() => lab.ready('twin'), soon).toMatch(/^True/);
  expect(await domains()).toEqual(['default.capi~twin', 'default.twin']);
  const caplv = async (...args: string[]) =>
    (await lab.caplv(...args, '--kubeconfig', lab.kube.kubeconfig)).stdout;
  expect(await caplv('orphans')).not.toContain('twin');
  expect(await caplv('describe', 'libvirtmachine', 'twin')).toMatch(/^Domain: +default\.capi~twin /m);
  expect(await caplv('describe', 'machine', 'twin')).toMatch(/^Domain: +default\.twin /m);
  expect(await caplv('state', 'list', 'libvirtmachine/twin')).toContain('libvirt_domain.machine');
  expect(await caplv('state', 'history', 'libvirtmachine/twin')).toContain('SERIAL');
  expect(await caplv('console', 'libvirtmachine/twin', '--print')).toContain('capi~twin');
  await lab.kubectl('delete', 'machines.cluster-api.k8s.io', 'twin');
  await expect.poll(() => domains(), soon).toEqual(['default.capi~twin']);
  expect(await ready('twin')).toMatch(/^True/);
});

it('a domain that was removed with virsh is created again, and events of the LibvirtMachine report it', async () => {
  const before = await lab.virsh('domuuid', 'default.capi~twin');
  await lab.virsh('undefine', 'default.capi~twin');
  await expect.poll(() => domains(), soon).toEqual(['default.capi~twin']);
  expect(await lab.virsh('domuuid', 'default.capi~twin')).not.toBe(before);
  await expect.poll(() => ready('twin'), soon).toMatch(/^True/);
  await expect
    .poll(() => lab.kubectl('describe', 'libvirtmachine', 'twin'), soon)
    .toMatch(/Warning +Drifted/);
});

it('machines of a paused Cluster are not changed, and their condition says so', async () => {
  await lab.kubectl(
    'patch',
    'cluster.cluster.x-k8s.io',
    'fuji',
    '--type=merge',
    '-p',
    '{"spec":{"paused":true}}',
  );
  await expect.poll(() => condition('libvirtmachine', 'twin', 'Paused'), soon).toMatch(/^True Paused/);
  await lab.virsh('undefine', 'default.capi~twin');
  await lab.kubectl('delete', 'machine.cluster.x-k8s.io', 'twin', '--wait=false');
  await lab.kubectl(
    'patch',
    'cluster.cluster.x-k8s.io',
    'fuji',
    '--type=merge',
    '-p',
    '{"spec":{"paused":false}}',
  );
  await expect.poll(() => read('libvirtmachine', 'twin'), soon).toBeUndefined();
  expect(await domains()).toEqual([]);
});

it('a missing dependency is named by a condition, and the machine is created when the dependency exists', async () => {
  const [alone = {}, owner = {}] = machine('waits', 'late', {
    machine: { bootstrap: { dataSecretName: 'later' } },
  });
  await lab.apply(alone);
  await expect.poll(() => ready('waits'), soon).toMatch(/^False WaitingForOwner/);
  const [libvirtCluster = {}, capiCluster = {}] = cluster('late');
  await lab.apply(capiCluster, owner);
  await expect.poll(() => ready('waits'), soon).toMatch(/^False WaitingForClusterInfrastructure/);
  await lab.apply(libvirtCluster);
  await expect.poll(() => ready('waits'), soon).toMatch(/^False UserDataNotFound/);
  await lab.apply(bootstrapSecret('later'));
  await expect.poll(() => ready('waits'), soon).toMatch(/^True/);
  expect(await condition('libvirtmachine', 'waits', 'Paused')).toMatch(/^False/);
});

it('a controller that is killed while it creates a machine finishes it after its restart, also while the core manager is away', async () => {
  await lab.apply(...machine('survives', 'fuji', { machine: { failureDomain: 'rack1' } }));
  const pinned = () =>
    lab.kubectl('get', 'libvirtmachine', 'survives', '-o', 'jsonpath={.status.providerStatus.pinned.uri}');
  await expect.poll(pinned, { ...soon, interval: 20 }).not.toBe('');
  await controller.kill();
  await capi.stop('cluster-api');
  controller = await startController();
  await expect.poll(() => ready('survives'), soon).toMatch(/^True/);
  expect(await domains()).toContain('default.capi~survives');
  await capi.start('cluster-api');
  const phase = async () => (await read('machine.cluster.x-k8s.io', 'survives'))?.status?.phase;
  await expect.poll(phase, soon).toBe('Provisioned');
});

it('without its rights on this API the controller keeps existing machines, names the missing rights, and recovers when they are granted', async () => {
  const uri = lab.lab.hosts[0]?.uri;
  const original = { apiVersion: 'cluster-api.k8s.io/v1alpha1', kind: 'Cluster' };
  await lab.kubectl('apply', '--filename', join(DEPLOY, 'crds'));
  await lab.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
  await lab.kubectl('create', 'namespace', 'elsewhere');
  await lab.apply(lab.machine('old', { uri }), {
    ...original,
    metadata: { name: 'goes', namespace: 'elsewhere' },
    spec: { providerSpec: { uri } },
  });
  await expect.poll(() => lab.ready('old'), soon).toMatch(/^True/);
  await lab.kubectl('delete', 'clusterrolebinding', 'caplv-controller-infrastructure');
  await controller.stop();
  controller = await startController();
  await lab.apply(lab.machine('new', { uri }));
  await expect
    .poll(() => condition('machines.cluster-api.k8s.io', 'new'), soon)
    .toMatch(/^False NotAllowed: .*ClusterRole caplv-controller-infrastructure is missing or not bound/);
  // What exists is still deleted; a Cluster could have LibvirtMachines, which cannot be seen.
  await lab.kubectl('delete', 'machines.cluster-api.k8s.io', 'old');
  expect(await domains()).not.toContain('default.old');
  const goes = ['clusters.cluster-api.k8s.io', 'goes', '--namespace', 'elsewhere'];
  await lab.kubectl('delete', ...goes, '--wait=false');
  const reason = 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}';
  await expect.poll(() => lab.kubectl('get', ...goes, '-o', reason), soon).toBe('NotAllowed');
  expect(await domains()).not.toContain('default.new');
  await lab.kubectl('apply', '-k', join(DEPLOY, 'infrastructure/rbac'));
  await expect.poll(() => lab.ready('new'), soon).toMatch(/^True/);
  await lab.kubectl('wait', ...goes, '--for=delete', '--timeout=180s');
  await lab.kubectl('delete', 'machines.cluster-api.k8s.io', 'new');
});

it('a LibvirtCluster that another system manages is not touched', async () => {
  const [theirs, ofTheirs = {}] = cluster('theirs') as [{ metadata: object }, object];
  const labels = { 'cluster.x-k8s.io/managed-by': 'another-system' };
  await lab.apply({ ...theirs, metadata: { ...theirs.metadata, labels } }, ofTheirs);
  const owned = async () => (await read('libvirtcluster', 'theirs'))?.metadata.ownerReferences ?? [];
  await expect.poll(owned, soon).toHaveLength(1);
  await lab.apply(...cluster('after-theirs'));
  await expect.poll(() => condition('libvirtcluster', 'after-theirs'), soon).toMatch(/^True/);
  const seen = await read('libvirtcluster', 'theirs');
  expect(seen?.status).toBeUndefined();
  expect(seen?.metadata.finalizers).toBeUndefined();
  await lab.kubectl('delete', 'cluster.cluster.x-k8s.io', 'theirs', 'after-theirs', '--wait=false');
});

it('a Cluster is deleted with its machines, and nothing is left on the hosts', async () => {
  await lab.kubectl('delete', 'cluster.cluster.x-k8s.io', 'late', 'fuji', '--wait=false');
  await expect.poll(() => listed('libvirtclusters'), soon).toEqual([]);
  await expect.poll(() => listed('clusters.cluster.x-k8s.io'), soon).toEqual([]);
  expect(await Promise.all([domains(0), domains(1)])).toEqual([[], []]);
});
