/** Verifies `caplv --kubeconfig` on LibvirtMachines, beside Cluster API's managers and the controller. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { CapiLab } from '../lab/capi/capi-lab.ts';

const soon = { timeout: 180_000, interval: 300 };
const INFRASTRUCTURE = 'infrastructure.cluster.x-k8s.io/v1alpha1';
const CAPI = 'cluster.x-k8s.io/v1beta2';
const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));

let lab: ClusterLab;
let capi: CapiLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('test-commands', 1, { controllerManager: true });
  await lab.kubectl('create', 'namespace', 'caplv-system');
  for (const folder of ['rbac', 'infrastructure/rbac', 'infrastructure/crds'])
    await lab.kubectl('apply', '-k', join(DEPLOY, folder));
  capi = await CapiLab.up({ kube: lab.kube, dir: await mkdtemp(join(tmpdir(), 'caplv-capi-')) });
  const kubeconfig = await lab.kube.serviceAccountKubeconfig('caplv-system', 'caplv-controller');
  const env = { ...lab.env(), CAPLV_KUBECONFIG: kubeconfig };
  controller = await ControllerProcess.start(env, ['--namespace', 'caplv-system']);
  await lab.apply(...objects());
  await lab.kubectl('wait', '--for=condition=Ready', 'libvirtmachine/one', '--timeout=300s');
}, 900_000);

afterAll(async () => {
  await controller?.stop();
  await capi?.down();
  await lab?.down();
});

const metadata = (name: string, more: object = {}) => ({ name, namespace: 'default', ...more });

const reference = (kind: string, name: string) => ({
  apiGroup: 'infrastructure.cluster.x-k8s.io',
  kind,
  name,
});

/** A Cluster with one Machine, and templates of both kinds. */
function objects(): object[] {
  const [host] = lab.lab.hosts;
  const clusterSpec = {
    hosts: [{ name: 'rack1', uri: host?.uri }],
    controlPlaneEndpoint: { host: '192.0.2.1', port: 6443 },
  };
  const machineSpec = {
    vcpu: 1,
    memoryMiB: 128,
    imageURI: lab.lab.imagePath,
    running: false,
    shutdownTimeoutSeconds: 0,
  };
  const libvirt = (kind: string, name: string, spec: object, more: object = {}) => ({
    apiVersion: INFRASTRUCTURE,
    kind,
    metadata: metadata(name, more),
    spec,
  });
  const clone = {
    labels: { 'cluster.x-k8s.io/cluster-name': 'fuji' },
    annotations: {
      'cluster.x-k8s.io/cloned-from-name': 'small',
      'cluster.x-k8s.io/cloned-from-groupkind': 'LibvirtMachineTemplate.infrastructure.cluster.x-k8s.io',
    },
  };
  return [
    libvirt('LibvirtCluster', 'fuji', clusterSpec),
    libvirt('LibvirtClusterTemplate', 'small', { template: { spec: clusterSpec } }),
    libvirt('LibvirtMachineTemplate', 'small', { template: { spec: machineSpec } }),
    libvirt('LibvirtMachine', 'one', machineSpec, clone),
    {
      apiVersion: CAPI,
      kind: 'Cluster',
      metadata: metadata('fuji'),
      spec: {
        clusterNetwork: { pods: { cidrBlocks: ['10.244.0.0/16'] } },
        infrastructureRef: reference('LibvirtCluster', 'fuji'),
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: metadata('boot'),
      type: 'cluster.x-k8s.io/secret',
      stringData: { value: '#cloud-config\n', format: 'cloud-config' },
    },
    {
      apiVersion: CAPI,
      kind: 'Machine',
      metadata: metadata('one-machine'),
      spec: {
        clusterName: 'fuji',
        bootstrap: { dataSecretName: 'boot' },
        infrastructureRef: reference('LibvirtMachine', 'one'),
      },
    },
  ];
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look at what people see, not at our types
async function status(name: string): Promise<any> {
  return JSON.parse(await lab.kubectl('get', 'libvirtmachine', name, '-o', 'json')).status ?? {};
}

async function condition(name: string, type: string): Promise<string | undefined> {
  const all: Condition[] = (await status(name)).conditions ?? [];
  const one = all.find((each) => each.type === type);
  return one && `${one.status} ${one.reason}`;
}

const ready = (name: string) => condition(name, 'Ready');

const caplv = (...args: string[]) => lab.caplv(...args, '--kubeconfig', lab.kube.kubeconfig);

/** Returns the cells of a table without the age, which changes between two commands. */
function cells(table: string): string[][] {
  return table
    .trimEnd()
    .split('\n')
    .map((line) => line.replaceAll('<none>', '').trimEnd().split(/ {2,}/).slice(0, -1));
}

it.each(['libvirtmachines', 'libvirtclusters', 'libvirtmachinetemplates', 'libvirtclustertemplates'])(
  'get %s shows the columns and cells that kubectl shows, and the same object',
  async (plural) => {
    const [theirs, ours] = [await lab.kubectl('get', plural), (await caplv('get', plural)).stdout];
    expect(cells(ours)).toEqual(cells(theirs));
    const wide = (await caplv('get', plural, '-o', 'wide')).stdout;
    expect(cells(wide)[0]).toEqual(cells(await lab.kubectl('get', plural, '-o', 'wide'))[0]);
    const [name = ''] = cells(ours)[1] ?? [];
    const one = JSON.parse((await caplv('get', plural, name, '-o', 'json')).stdout);
    const same = JSON.parse(await lab.kubectl('get', plural, name, '-o', 'json'));
    expect(one.spec).toEqual(same.spec);
    expect((await caplv('get', plural, '-o', 'yaml')).stdout).toContain(`name: ${name}`);
    expect((await caplv('get', plural, '-o', 'name')).stdout).toBe(`${plural.slice(0, -1)}/${name}`);
  },
);

it('a resource name that both APIs have means the original API', async () => {
  expect(await caplv('get', 'machines')).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining('No machines in namespace "default"'),
  });
});

it('describe shows a LibvirtCluster and a template with their machines', async () => {
  const tree = /^(LibvirtCluster\/fuji|LibvirtMachineTemplate\/small) .*\n└─LibvirtMachine\/one .*True/m;
  expect((await caplv('describe', 'libvirtcluster', 'fuji')).stdout).toMatch(tree);
  expect((await caplv('describe', 'libvirtmachinetemplate', 'small')).stdout).toMatch(tree);
});

it('plan shows no changes for a LibvirtMachine and its LibvirtCluster', async () => {
  expect(await caplv('plan', 'libvirtmachine', 'one')).toMatchObject({
    exitCode: 0,
    stdout: 'libvirtmachine/one: no changes\n'.trimEnd(),
  });
  expect(await caplv('plan', 'libvirtcluster', 'fuji')).toMatchObject({
    exitCode: 0,
    stdout: 'libvirtcluster/fuji: no changes\n'.trimEnd(),
  });
  expect(await caplv('plan', 'libvirtmachine', 'two')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('there is no LibvirtMachine "two" in namespace "default"'),
  });
});

it('a plan that replaces the domain waits until an annotation of the LibvirtMachine approves it', async () => {
  const domain = 'default.capi~one';
  const uuid = () => lab.virsh('domuuid', domain);
  const before = await uuid();
  await lab.defineNetwork('elsewhere');
  const xml = await lab.virsh('dumpxml', domain);
  await lab.define(xml.replace("<source network='default'/>", "<source network='elsewhere'/>"));
  await expect.poll(() => condition('one', 'Drifted'), soon).toMatch(/NotRepaired$/);
  expect(await uuid()).toBe(before);
  const planned = await caplv('plan', 'libvirtmachine', 'one');
  expect(planned).toMatchObject({
    exitCode: 2,
    stdout: expect.stringMatching(/^libvirtmachine\/one: update .*"elsewhere".*"default"/s),
  });
  const { id } = (await status('one')).providerStatus.lastPlan;
  await lab.kubectl('annotate', 'libvirtmachine', 'one', `cluster-api.k8s.io/approve-plan=${id}`);
  await expect.poll(uuid, soon).not.toBe(before);
  await expect.poll(() => ready('one'), soon).toMatch(/^True/);
  expect(await lab.virsh('dumpxml', domain)).toContain("network='default'");
});

it('an earlier serial of the state can be restored, and the plan shows what would change', async () => {
  const kept = JSON.parse((await caplv('state', 'history', 'libvirtmachine/one', '-o', 'json')).stdout);
  const { serial } = kept.find(({ resources }: { resources: number }) => resources > 0);
  const restored = await caplv('state', 'restore', 'libvirtmachine/one', String(serial));
  expect(restored).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(
      new RegExp(`^libvirtmachine/one: serial ${serial} restored, as serial \\d+\nlibvirtmachine/one: `),
    ),
  });
  await expect.poll(() => ready('one'), soon).toMatch(/^True/);
  await expect
    .poll(async () => (await caplv('plan', 'libvirtmachine', 'one')).stdout, soon)
    .toBe('libvirtmachine/one: no changes');
});

it('delete refuses a LibvirtMachine that a Machine owns, and names the Machine', async () => {
  expect(await caplv('delete', 'libvirtmachine', 'one')).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining(
      'kubectl delete machines.cluster.x-k8s.io one-machine --namespace default',
    ),
  });
  expect(await caplv('delete', 'libvirtmachinetemplate', 'small')).toMatchObject({
    exitCode: 0,
    stdout: 'libvirtmachinetemplate/small deleted',
  });
});
