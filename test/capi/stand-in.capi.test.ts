/** Verifies that the lab's Cluster API managers work, with stand-ins for the infrastructure provider. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { CapiWorld } from './capi-world.ts';
import { cluster, machineDeployment, workerBootstrap } from './manifests.ts';

const poll = { timeout: 60_000, interval: 200 };
const INFRASTRUCTURE = 'infrastructure.cluster.x-k8s.io/v1alpha1';

let world: CapiWorld;

beforeAll(async () => {
  world = await CapiWorld.up('one', { ipam: true });
});

afterAll(() => world?.down());

const phases = async () => (await world.objects.list('machines')).map(({ status }) => status?.phase);

/** Provisions a machine as an infrastructure provider would. */
async function provideMachine(name: string): Promise<void> {
  const providerID = `libvirt:///${name}`;
  await world.objects.patch('standinmachines', name, { spec: { providerID } });
  const status = { initialization: { provisioned: true } };
  await world.objects.patch('standinmachines', name, { status }, 'status');
  await world.workload.registerNode(name, providerID);
}

it("Cluster API's managers create the Machines of a MachineDeployment, mark them Running once provided, and delete them", async () => {
  const { objects, workload } = world;
  await workload.joinTo(objects);
  await objects.apply(
    {
      apiVersion: INFRASTRUCTURE,
      kind: 'StandInCluster',
      metadata: { name: 'one', namespace: 'default' },
      spec: { controlPlaneEndpoint: workload.endpoint },
    },
    cluster('one', 'StandInCluster'),
    {
      apiVersion: INFRASTRUCTURE,
      kind: 'StandInMachineTemplate',
      metadata: { name: 'md', namespace: 'default' },
      spec: { template: { spec: { size: 'small' } } },
    },
    workerBootstrap('md'),
    machineDeployment('md', { cluster: 'one', machineKind: 'StandInMachine', replicas: 1 }),
  );
  await objects.patch(
    'standinclusters',
    'one',
    { status: { initialization: { provisioned: true } } },
    'status',
  );
  await expect.poll(phases, poll).toEqual(['Provisioning']);
  await expect.poll(async () => (await objects.list('standinmachines')).length, poll).toBe(1);

  const [machine] = await objects.list('machines');
  const name = machine?.metadata.name ?? '';
  const secret = await objects.get('secrets', name);
  const data = Buffer.from(
    String((secret as { data?: { value?: string } })?.data?.value),
    'base64',
  ).toString();
  expect(data).toContain('provider-id');

  await provideMachine(name);
  await expect.poll(phases, poll).toEqual(['Running']);
  expect(await world.capi.clusterctl(['describe', 'cluster', 'one'])).toMatch(/Machine/);

  await objects.patch('machinedeployments', 'md', { spec: { replicas: 0 } });
  await expect.poll(() => objects.list('machines'), poll).toEqual([]);
  expect(await workload.objects.list('nodes')).toEqual([]);
  await objects.delete('clusters', 'one');
  await expect.poll(() => objects.list('clusters'), poll).toEqual([]);
  expect(await objects.list('standinmachines')).toEqual([]);
});

it('the in-cluster IPAM provider answers a claim with an address of its pool', async () => {
  const { objects } = world;
  await objects.apply(
    {
      apiVersion: 'ipam.cluster.x-k8s.io/v1alpha2',
      kind: 'InClusterIPPool',
      metadata: { name: 'pool', namespace: 'default' },
      spec: { addresses: ['10.17.3.10-10.17.3.10'], prefix: 24, gateway: '10.17.3.1' },
    },
    {
      apiVersion: 'ipam.cluster.x-k8s.io/v1beta2',
      kind: 'IPAddressClaim',
      metadata: { name: 'claim', namespace: 'default' },
      spec: { poolRef: { apiGroup: 'ipam.cluster.x-k8s.io', kind: 'InClusterIPPool', name: 'pool' } },
    },
  );
  await expect
    .poll(async () => (await objects.list('ipaddresses.ipam.cluster.x-k8s.io')).map(({ spec }) => spec), poll)
    .toMatchObject([{ address: '10.17.3.10', prefix: 24, gateway: '10.17.3.1' }]);
});
