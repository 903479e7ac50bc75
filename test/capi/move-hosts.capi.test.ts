/**
 * Verifies that `clusterctl move` takes a LibvirtCluster to another management cluster that manages a network and a pool, and has an
 * address of a range, while another Cluster stays on the same host.
 */

import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PROGRAM } from '../cluster/controller-process.ts';
import type { Lab } from '../lab/lab.ts';
import type { CapiWorld } from './capi-world.ts';
import { cluster, machineDeployment, workerBootstrap } from './manifests.ts';
import { MoveWorld } from './move-world.ts';
import { runningMachines } from './running-machines.ts';

const poll = { timeout: 120_000, interval: 300 };
const GROUP = 'infrastructure.cluster.x-k8s.io';
const INFRASTRUCTURE = `${GROUP}/v1alpha1`;
const BLOCK = 'clusterctl.cluster.x-k8s.io/block-move';
const CLUSTERS = 'clusters.cluster.x-k8s.io';
const LIBVIRT_CLUSTERS = `libvirtclusters.${GROUP}`;

let world: MoveWorld;
let lab: Lab;
let source: CapiWorld;
let target: CapiWorld;

beforeAll(async () => {
  world = await MoveWorld.up('test-move-hosts');
  ({ lab, source, target } = world);
}, 900_000);

afterAll(() => world?.down());

const virsh = (...args: string[]) => world.virsh(...args);

const names = async (...args: string[]) =>
  (await virsh(...args, '--name')).split('\n').filter(Boolean).sort();
const networks = () => names('net-list', '--all');
const pools = () => names('pool-list', '--all');

/** UUIDs of what the cluster has on the host: what is made again has other ones. */
const identities = async () => ({
  network: await virsh('net-uuid', 'own'),
  pool: await virsh('pool-uuid', 'own'),
});

const libvirtCluster = (name: string, namespace: string, spec: object) => ({
  apiVersion: INFRASTRUCTURE,
  kind: 'LibvirtCluster',
  metadata: { name, namespace },
  spec: { uri: lab.hosts[0]?.uri, ...spec },
});

const ownPool = () => ({ name: 'own', path: join(lab.hosts[0]?.poolPath ?? '', 'own') });
const OWN_NETWORK = { name: 'own', mode: 'nat', addresses: ['10.71.0.0/24'] };
const RANGE = { from: '10.71.0.200', to: '10.71.0.203' };

const moving = () =>
  libvirtCluster('one', 'default', {
    network: OWN_NETWORK,
    pool: ownPool(),
    controlPlaneEndpointRange: RANGE,
  });

/** A Cluster of another namespace, on the same host. */
const beside = (name: string, spec: object) => [
  libvirtCluster(name, 'stays', { controlPlaneEndpoint: { host: '192.0.2.1', port: 6443 }, ...spec }),
  {
    apiVersion: 'cluster.x-k8s.io/v1beta2',
    kind: 'Cluster',
    metadata: { name, namespace: 'stays' },
    spec: {
      clusterNetwork: { pods: { cidrBlocks: ['10.244.0.0/16'] } },
      infrastructureRef: { apiGroup: GROUP, kind: 'LibvirtCluster', name },
    },
  },
];

const network = (name: string, address: string) => ({ name, mode: 'nat', addresses: [address] });

const template = () => ({
  apiVersion: INFRASTRUCTURE,
  kind: 'LibvirtMachineTemplate',
  metadata: { name: 'md', namespace: 'default' },
  spec: {
    template: {
      spec: { vcpu: 1, memoryMiB: 96, imageURI: lab.imagePath, running: false, shutdownTimeoutSeconds: 0 },
    },
  },
});

/** Condition Ready of a LibvirtCluster as `True Reason message`. */
async function ready({ kube }: CapiWorld, name: string, namespace = 'default'): Promise<string> {
  const path = '{range .status.conditions[?(@.type=="Ready")]}{.status} {.reason} {.message}{end}';
  const args = [
    'get',
    LIBVIRT_CLUSTERS,
    name,
    '-n',
    namespace,
    '--ignore-not-found',
    '-o',
    `jsonpath=${path}`,
  ];
  return (await execa(kube.kubectl, ['--kubeconfig', kube.kubeconfig, ...args])).stdout;
}

/** Reservations of control plane endpoints, as they run and as they are stored. */
async function claims(): Promise<string[]> {
  const dumps = [await virsh('net-dumpxml', 'own'), await virsh('net-dumpxml', 'own', '--inactive')];
  return dumps.flatMap((xml) =>
    [...xml.matchAll(/caplv-endpoint-(\S+)' ip='([^']+)'|ip='([^']+)' name='caplv-endpoint-/g)].map(
      ([, uid, ip]) => `${uid} ${ip}`,
    ),
  );
}

const uidOf = async ({ objects }: CapiWorld) => (await objects.get(LIBVIRT_CLUSTERS, 'one'))?.metadata.uid;
/** What of its hosts is on the way to another management cluster. */
async function record({ objects }: CapiWorld): Promise<string[] | undefined> {
  const found = await objects.get('secrets', 'tfstate-one-caplv-host.moved');
  const { data } = (found ?? {}) as { readonly data?: { readonly hosts: string } };
  return data && Object.keys(JSON.parse(Buffer.from(data.hosts, 'base64').toString()).parts);
}

const isBlocked = async ({ objects }: CapiWorld) =>
  (await objects.get(LIBVIRT_CLUSTERS, 'one'))?.metadata.annotations?.[BLOCK] !== undefined;
const pause = (paused: boolean | null) => source.objects.patch(CLUSTERS, 'one', { spec: { paused } });

let before: Awaited<ReturnType<typeof identities>>;

it('a Cluster with a network, a pool and an address of its own, beside another one that manages the same pool', async () => {
  await source.objects.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'stays' } });
  await source.workload.joinTo(source.objects);
  await source.objects.apply(
    moving(),
    cluster('one', 'LibvirtCluster'),
    template(),
    workerBootstrap('md'),
    machineDeployment('md', { cluster: 'one', machineKind: 'LibvirtMachine', replicas: 1 }),
  );
  await expect.poll(() => runningMachines(source), poll).toBe(1);
  await source.objects.applyElsewhere(
    'stays',
    ...beside('two', { network: network('theirs', '10.72.0.0/24'), pool: ownPool() }),
  );
  await expect.poll(() => ready(source, 'two', 'stays'), poll).toMatch(/^True/);
  expect(await isBlocked(source)).toBe(true);
  expect(await claims()).toEqual(Array(2).fill(`${await uidOf(source)} 10.71.0.200`));
  before = await identities();
});

it('does not move while a Cluster that stays manages the same pool, which its condition names', async () => {
  await pause(true);
  await expect
    .poll(() => ready(source, 'one'), poll)
    .toMatch(/^False Paused clusterctl move waits: LibvirtCluster stays\/two manages pool "own", too/);
  expect(await isBlocked(source)).toBe(true);
});

it('goes on at its place when the pause ends, although it was handed over and its controller killed', async () => {
  const spec = { network: network('theirs', '10.72.0.0/24'), pool: { name: 'default' } };
  await source.objects.applyElsewhere('stays', ...beside('two', spec));
  await expect.poll(() => isBlocked(source), poll).toBe(false);
  expect(await record(source)).toEqual([lab.hosts[0]?.uri]);
  await world.sourceController.kill();
  await pause(null);
  world.sourceController = await world.startController(source);
  await expect.poll(() => record(source), poll).toEqual([]);
  await expect.poll(() => ready(source, 'one'), poll).toMatch(/^True/);
  expect(await isBlocked(source)).toBe(true);
  expect(await identities()).toEqual(before);
});

it('clusterctl moves it, and the other management cluster has the same network, pool and address, without a change', async () => {
  const { exitCode, all } = await world.move();
  expect(exitCode, all).toBe(0);
  await target.workload.joinTo(target.objects);
  await expect.poll(() => ready(target, 'one'), poll).toMatch(/^True/);
  await expect.poll(() => record(target), poll).toEqual([]);
  expect(await record(source)).toBeUndefined();
  expect(await identities()).toEqual(before);
  expect(await claims()).toEqual(Array(2).fill(`${await uidOf(target)} 10.71.0.200`));
  expect((await target.objects.get(CLUSTERS, 'one'))?.spec?.['controlPlaneEndpoint']).toEqual({
    host: '10.71.0.200',
    port: 6443,
  });
  const plan = await execa(
    process.execPath,
    [PROGRAM, 'plan', 'libvirtcluster', 'one', '--kubeconfig', target.kube.kubeconfig],
    { env: world.env(), reject: false },
  );
  expect(plan.stdout, plan.stderr).toMatch(/no changes/i);
  const applied = world.targetController.lines.filter(({ reason }) =>
    ['Created', 'Made', 'Changed'].includes(String(reason)),
  );
  expect(applied).toEqual([]);
});

it('the controller that was left behind removes nothing of it, and lets no other Cluster have it', async () => {
  const spec = { network: network('other', '10.73.0.0/24'), pool: { name: 'default' } };
  await source.objects.applyElsewhere('stays', ...beside('two', spec));
  await expect.poll(networks, poll).toEqual(['default', 'other', 'own']);
  await source.objects.applyElsewhere('stays', ...beside('three', { network: OWN_NETWORK, pool: ownPool() }));
  await expect.poll(() => ready(source, 'three', 'stays'), poll).toMatch(/^False NotOwned/);
  for (const name of ['three', 'two'])
    await execa(source.kube.kubectl, [
      ...['--kubeconfig', source.kube.kubeconfig, 'delete', CLUSTERS, name, '-n', 'stays'],
    ]);
  await expect.poll(networks, poll).toEqual(['default', 'own']);
  expect(await identities()).toEqual(before);
});

it('it scales at its new place, and its deletion there leaves nothing on the host', async () => {
  await target.objects.patch('machinedeployments.cluster.x-k8s.io', 'md', { spec: { replicas: 2 } });
  await expect.poll(() => runningMachines(target), poll).toBe(2);
  await target.objects.delete(CLUSTERS, 'one');
  await expect.poll(() => target.objects.list(CLUSTERS), poll).toEqual([]);
  expect(await networks()).toEqual(['default']);
  expect(await pools()).toEqual(['default']);
  expect(await names('list', '--all')).toEqual([]);
  const states = (await target.objects.list('secrets')).filter(({ metadata }) =>
    /^tfstate-/.test(metadata.name),
  );
  expect(states).toEqual([]);
});
