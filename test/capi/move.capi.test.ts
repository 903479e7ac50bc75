/**
 * Verifies that `clusterctl move` takes running machines to another management cluster, while another Cluster stays on the
 * same host.
 */

import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PROGRAM } from '../cluster/controller-process.ts';
import type { KubeLab } from '../lab/kube/kube-lab.ts';
import type { Lab } from '../lab/lab.ts';
import type { ApiObject } from './api-objects.ts';
import type { CapiWorld } from './capi-world.ts';
import { cluster, machineDeployment, workerBootstrap } from './manifests.ts';
import { MoveWorld } from './move-world.ts';
import { runningMachines } from './running-machines.ts';

const poll = { timeout: 180_000, interval: 300 };
const GROUP = 'infrastructure.cluster.x-k8s.io';
const INFRASTRUCTURE = `${GROUP}/v1alpha1`;
const BLOCK = 'clusterctl.cluster.x-k8s.io/block-move';
const LIBVIRT_MACHINES = `libvirtmachines.${GROUP}`;

let world: MoveWorld;
let lab: Lab;
let source: CapiWorld;
let target: CapiWorld;

beforeAll(async () => {
  world = await MoveWorld.up('test-move', { ipam: true });
  ({ lab, source, target } = world);
}, 900_000);

afterAll(() => world?.down());

const virsh = (...args: string[]) => world.virsh(...args);

const lines = (text: string) => text.split('\n').filter(Boolean).sort();
const domains = async () => lines(await virsh('list', '--all', '--name'));
const volumes = async () =>
  lines(await virsh('vol-list', 'default')).map((line) => line.trim().split(/\s+/)[0] ?? '');

/** By name: UUID, and the number that libvirt gives it at each start. */
async function boots(): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const name of await domains())
    seen[name] = `${await virsh('domuuid', name)} ${await virsh('domid', name)}`;
  return seen;
}

async function kubectl({ kubeconfig, kubectl: program }: KubeLab, ...args: string[]): Promise<string> {
  return (await execa(program, ['--kubeconfig', kubeconfig, ...args])).stdout;
}

const POOL = { apiGroup: 'ipam.cluster.x-k8s.io', kind: 'InClusterIPPool', name: 'rack' };

/** With the label by which clusterctl takes it along. */
const pool = (cluster: string) => ({
  apiVersion: 'ipam.cluster.x-k8s.io/v1alpha2',
  kind: POOL.kind,
  metadata: {
    name: POOL.name,
    namespace: 'default',
    labels: { 'cluster.x-k8s.io/cluster-name': cluster },
  },
  spec: { addresses: ['192.168.122.201-192.168.122.209'], prefix: 24, gateway: '192.168.122.1' },
});

/** Of machines whose addresses come from the pool. */
const template = (name: string) => ({
  apiVersion: INFRASTRUCTURE,
  kind: 'LibvirtMachineTemplate',
  metadata: { name, namespace: 'default' },
  spec: {
    template: {
      spec: {
        vcpu: 1,
        memoryMiB: 96,
        imageURI: lab.imagePath,
        shutdownTimeoutSeconds: 0,
        interfaces: [{ addressesFromPools: [POOL] }],
      },
    },
  },
});

/** By name of the machine: the addresses that it claimed, and whether their claim is there and answered with them. */
async function claimedAddresses({ objects }: CapiWorld): Promise<Record<string, string>> {
  const granted = await objects.list('ipaddresses.ipam.cluster.x-k8s.io');
  const machines = await objects.list(LIBVIRT_MACHINES);
  const entries = machines.map(({ metadata, status }) => {
    const { claimedAddresses = [] } = (status?.['providerStatus'] ?? {}) as {
      claimedAddresses?: { address: string; claim: string }[];
    };
    const of = (claim: string) => granted.find((one) => one.metadata.name === claim)?.spec?.['address'];
    const texts = claimedAddresses.map(({ address, claim }) => `${address} ${of(claim)}`);
    return [metadata.name, texts.join()] as const;
  });
  return Object.fromEntries(entries);
}

const libvirtCluster = (name: string, namespace = 'default') => ({
  apiVersion: INFRASTRUCTURE,
  kind: 'LibvirtCluster',
  metadata: { name, namespace },
  spec: { uri: lab.hosts[0]?.uri, controlPlaneEndpoint: source.workload.endpoint },
});

/** A Cluster of another namespace, with a machine on the same host and image, which stays. */
const staying = () => [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'stays' } },
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'boot', namespace: 'stays' },
    stringData: { value: '#cloud-config\n{}\n' },
  },
  libvirtCluster('two', 'stays'),
  {
    apiVersion: 'cluster.x-k8s.io/v1beta2',
    kind: 'Cluster',
    metadata: { name: 'two', namespace: 'stays' },
    spec: {
      clusterNetwork: { pods: { cidrBlocks: ['10.244.0.0/16'] } },
      infrastructureRef: { apiGroup: GROUP, kind: 'LibvirtCluster', name: 'two' },
    },
  },
  {
    apiVersion: INFRASTRUCTURE,
    kind: 'LibvirtMachine',
    metadata: { name: 'stays', namespace: 'stays', labels: { 'cluster.x-k8s.io/cluster-name': 'two' } },
    spec: { vcpu: 1, memoryMiB: 96, imageURI: lab.imagePath, running: false, shutdownTimeoutSeconds: 0 },
  },
  {
    apiVersion: 'cluster.x-k8s.io/v1beta2',
    kind: 'Machine',
    metadata: { name: 'stays', namespace: 'stays' },
    spec: {
      clusterName: 'two',
      bootstrap: { dataSecretName: 'boot' },
      infrastructureRef: { apiGroup: GROUP, kind: 'LibvirtMachine', name: 'stays' },
    },
  },
];

function conditionOf({ status }: ApiObject, wanted: string): string {
  const conditions = (status?.['conditions'] ?? []) as Record<string, string>[];
  const { status: value, reason, message } = conditions.find(({ type }) => type === wanted) ?? {};
  return `${value} ${reason} ${message}`;
}

const ready = (one: ApiObject) => conditionOf(one, 'Ready');

const readyAt = async ({ objects }: CapiWorld) =>
  (await objects.list(LIBVIRT_MACHINES)).map((one) => ready(one).split(' ')[0]);

const scale = ({ objects }: CapiWorld, replicas: number) =>
  objects.patch('machinedeployments.cluster.x-k8s.io', 'md', { spec: { replicas } });

/** Secrets of machines' states, with what is in them. */
async function states({ objects }: CapiWorld): Promise<Record<string, unknown>> {
  const secrets = (await objects.list('secrets')) as (ApiObject & { data?: Record<string, string> })[];
  const ours = secrets.filter(({ metadata }) => /^tfstate-.*-caplv-capi/.test(metadata.name));
  return Object.fromEntries(ours.map(({ metadata, data }) => [metadata.name, data]));
}

/** Resolves when it says that. */
async function says(moving: ReturnType<MoveWorld['move']>, what: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let said = '';
  moving.all.on('data', (text: Buffer) => {
    said += text;
    if (said.includes(what)) resolve();
  });
  moving.all.once('close', () => reject(new Error(`it did not say "${what}":\n${said}`)));
  return promise;
}

/** Locks a state as a terraform elsewhere does: runs of the controller wait for it. */
async function setLock(name: string, info: object | null): Promise<void> {
  const annotations = { 'app.terraform.io/lock-info': info && JSON.stringify(info) };
  const spec = { holderIdentity: info && 'a' };
  await source.objects.patch('leases', `lock-tfstate-${name}-caplv-capi`, {
    metadata: { annotations },
    spec,
  });
}

let before: Record<string, string>;
let claimed: Record<string, string>;

it('two machines run, and a machine of another Cluster stands beside them', async () => {
  const { objects, workload } = source;
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: staying() });
  await execa(source.kube.kubectl, ['--kubeconfig', source.kube.kubeconfig, 'apply', '-f', '-'], {
    input: list,
  });
  await workload.joinTo(objects);
  await objects.apply(
    libvirtCluster('one'),
    cluster('one', 'LibvirtCluster'),
    pool('one'),
    template('md'),
    workerBootstrap('md'),
    machineDeployment('md', { cluster: 'one', machineKind: 'LibvirtMachine', replicas: 2 }),
  );
  await expect.poll(() => runningMachines(source), poll).toBe(2);
  await expect.poll(async () => (await domains()).length, poll).toBe(3);
  await expect.poll(() => readyAt(source), poll).toEqual(['True', 'True']);
  before = await boots();
  claimed = await claimedAddresses(source);
  expect(Object.values(claimed).sort()).toEqual([
    '192.168.122.201/24 192.168.122.201',
    '192.168.122.202/24 192.168.122.202',
  ]);
});

const annotation = async (name: string) =>
  (await source.objects.get(LIBVIRT_MACHINES, name))?.metadata.annotations?.[BLOCK];

/** Has Terraform be at work for a machine of the source, until its lock is set to null. Resolves with its name. */
async function keepBusy(spec: object): Promise<string> {
  const [machine] = await source.objects.list(LIBVIRT_MACHINES);
  const name = machine?.metadata.name ?? '';
  expect(await annotation(name)).toBeUndefined();
  await setLock(name, {
    ID: 'a',
    Operation: 'apply',
    Who: 'somebody@elsewhere',
    Created: '2026-01-01T00:00:00Z',
  });
  await source.objects.patch(LIBVIRT_MACHINES, name, { spec });
  await expect.poll(() => annotation(name), poll).toBe('');
  return name;
}

const endPause = () => source.objects.patch('clusters.cluster.x-k8s.io', 'one', { spec: { paused: null } });

it('clusterctl move waits while Terraform runs; one that is given up moves nothing', async () => {
  const name = await keepBusy({ autostart: true });
  const givenUp = world.move();
  await says(givenUp, 'Move blocked');
  givenUp.kill('SIGKILL');
  await givenUp;
  expect(await target.objects.list('clusters.cluster.x-k8s.io')).toEqual([]);
  await endPause();
  await setLock(name, null);
  await expect.poll(() => annotation(name), poll).toBeUndefined();
  await expect.poll(() => readyAt(source), poll).toEqual(['True', 'True']);
});

/** The source does not let clusterctl delete anything. */
const REFUSAL = [
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: 'keep' },
    spec: {
      matchConstraints: {
        resourceRules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['UPDATE'], resources: ['*'] }],
      },
      validations: [
        {
          expression:
            "!has(object.metadata.annotations) || !('clusterctl.cluster.x-k8s.io/delete-for-move' in object.metadata.annotations)",
        },
      ],
    },
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: 'keep' },
    spec: { policyName: 'keep', validationActions: ['Deny'] },
  },
];

it('of a move that fails before it deletes both sides leave the virtual machines alone, and the source goes on', async () => {
  await source.objects.apply(...REFUSAL);
  const tried = ['annotate', '-n', 'default', 'cluster.cluster.x-k8s.io', 'one', '--dry-run=server'];
  const isRefused = () =>
    kubectl(source.kube, ...tried, 'clusterctl.cluster.x-k8s.io/delete-for-move=').then(
      () => false,
      () => true,
    );
  await expect.poll(isRefused, poll).toBe(true);
  const failing = world.move();
  await says(failing, 'Deleting objects from the source cluster');
  failing.kill('SIGKILL');
  await failing;
  for (const { objects } of [source, target]) {
    const paused = async () =>
      (await objects.list(LIBVIRT_MACHINES)).map((one) => conditionOf(one, 'Paused').split(' ')[0]);
    await expect.poll(paused, poll).toEqual(['True', 'True']);
  }
  expect(await boots()).toEqual(before);
  for (const { kind, metadata } of REFUSAL) await source.objects.delete(kind, metadata.name);
  await endPause();
  const [machine] = await source.objects.list(LIBVIRT_MACHINES);
  const name = machine?.metadata.name ?? '';
  const isStarted = async () => /^Autostart: +disable/m.test(await virsh('dominfo', `default.capi~${name}`));
  await source.objects.patch(LIBVIRT_MACHINES, name, { spec: { autostart: false } });
  await expect.poll(isStarted, poll).toBe(true);
  await expect.poll(() => readyAt(source), poll).toEqual(['True', 'True']);
  expect(await boots()).toEqual(before);
});

it('the next one goes on when the run ends, also where the former one left copies', async () => {
  const name = await keepBusy({ autostart: true });
  const moving = world.move();
  await says(moving, 'Move blocked');
  await setLock(name, null);
  const { exitCode, all } = await moving;
  expect(exitCode, all).toBe(0);
});

it('afterwards each machine is found by its providerID, nothing was restarted, and a plan has no changes', async () => {
  await target.workload.joinTo(target.objects);
  await expect.poll(() => readyAt(target), poll).toEqual(['True', 'True']);
  expect(await boots()).toEqual(before);
  expect(await source.objects.list(LIBVIRT_MACHINES)).toEqual([]);
  expect(await source.objects.list('ipaddressclaims.ipam.cluster.x-k8s.io')).toEqual([]);
  expect(await claimedAddresses(target)).toEqual(claimed);
  expect(await states(source)).toEqual({});
  const moved = await states(target);
  for (const { metadata, spec, status } of await target.objects.list(LIBVIRT_MACHINES)) {
    expect(spec?.providerID).not.toBe(`libvirt:///${metadata.uid}`);
    expect(status).toMatchObject({
      initialization: { provisioned: true },
      providerStatus: { takenOverBy: metadata.uid },
    });
    expect(
      Object.keys(moved).filter((one) => one.startsWith(`tfstate-${metadata.name}-caplv-capi.`)),
    ).not.toEqual([]);
    const exported = join(world.directory, metadata.name);
    const kubeconfig = ['--kubeconfig', target.kube.kubeconfig];
    await execa(
      process.execPath,
      [PROGRAM, 'export', 'machine', `libvirtmachine/${metadata.name}`, exported, ...kubeconfig],
      { env: world.env() },
    );
    const plan = await execa(
      'terraform',
      [`-chdir=${exported}`, 'plan', '-detailed-exitcode', '-input=false'],
      {
        env: world.env(),
        reject: false,
      },
    );
    expect(plan.exitCode, plan.stdout).toBe(0);
  }
  expect(await states(target)).toEqual(moved);
});

it('the controller that was left behind reports what moved and removes nothing of it, also when its own machines there go', async () => {
  const kept = async () => {
    const metrics = await world.sourceController.fetch('/metrics');
    return Number(/^caplv_orphans\{[^}]*action="keep"[^}]*\} (\d+)/m.exec(metrics)?.[1] ?? 0);
  };
  await expect.poll(kept, poll).toBeGreaterThanOrEqual(2);
  expect(await boots()).toEqual(before);
  await kubectl(source.kube, 'delete', '-n', 'stays', 'cluster.cluster.x-k8s.io', 'two', '--wait=false');
  await expect.poll(async () => (await domains()).length, poll).toBe(2);
  const staysGone = async () => kubectl(source.kube, 'get', '-n', 'stays', LIBVIRT_MACHINES, '-o', 'name');
  await expect.poll(staysGone, poll).toBe('');
  expect((await volumes()).filter((name) => name.startsWith('caplv-image-'))).toHaveLength(1);
  delete before['stays.capi~stays'];
  expect(await boots()).toEqual(before);
  expect(await readyAt(target)).toEqual(['True', 'True']);
});

it('a copy beside the original takes nothing over, and goes without touching it', async () => {
  const [original] = await target.objects.list(LIBVIRT_MACHINES);
  if (!original) throw new Error('there is no original');
  const { name, namespace, labels, finalizers } = original.metadata;
  const copy = {
    apiVersion: INFRASTRUCTURE,
    kind: 'LibvirtMachine',
    metadata: { name, namespace, labels, finalizers },
    spec: original.spec,
  };
  const state = (await target.objects.list('secrets')).find(
    ({ metadata }) => metadata.name === `tfstate-${name}-caplv-capi`,
  ) as (ApiObject & { data?: object }) | undefined;
  const { annotations } = state?.metadata ?? {};
  await source.objects.apply(copy, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: state?.metadata.name, namespace, annotations, labels: state?.metadata.labels },
    data: state?.data,
  });
  const seen = async () => {
    const found = await source.objects.get(LIBVIRT_MACHINES, name);
    return found && ready(found);
  };
  await expect.poll(seen, poll).toMatch(/^False NotOwned .*belongs to another object/);
  await source.objects.delete(LIBVIRT_MACHINES, name);
  await expect.poll(seen, poll).toBeUndefined();
  expect(await boots()).toEqual(before);
});

it('it scales at its new place, and its deletion there leaves nothing on the host', async () => {
  await scale(target, 3);
  await expect.poll(() => runningMachines(target), poll).toBe(3);
  await scale(target, 1);
  await expect.poll(async () => (await domains()).length, poll).toBe(1);
  await target.objects.delete('clusters.cluster.x-k8s.io', 'one');
  await expect.poll(() => target.objects.list('clusters.cluster.x-k8s.io'), poll).toEqual([]);
  expect(await target.objects.list(LIBVIRT_MACHINES)).toEqual([]);
  expect(await domains()).toEqual([]);
  expect(await volumes()).toEqual([]);
  expect(await states(target)).toEqual({});
});
