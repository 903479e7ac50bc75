/** Verifies addresses from IPAM pools: of a stand-in provider, and of Cluster API's in-cluster provider. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApiObject } from './api-objects.ts';
import { bareCluster, bootstrapSecret, LibvirtWorld, poll } from './libvirt-world.ts';
import { STAND_IN_POOL, StandInPool } from './stand-in-pool.ts';

const HELD = 'caplv.cluster-api.k8s.io/address-in-use';
const IN_CLUSTER = { apiGroup: 'ipam.cluster.x-k8s.io', kind: 'InClusterIPPool', name: 'rack' };
const BRIDGE = 'br-pool';

let world: LibvirtWorld;
let pool: StandInPool;

beforeAll(async () => {
  world = await LibvirtWorld.up('test-capi-ipam', 'unused', 1, { ipam: true });
  pool = new StandInPool(world.world.objects);
  await inHost('ip', 'link', 'add', BRIDGE, 'type', 'bridge');
  await inHost('ip', 'address', 'add', '10.77.0.1/24', 'dev', BRIDGE);
  await inHost('ip', 'link', 'set', BRIDGE, 'up');
  await apply(world.libvirtCluster('fuji'), bareCluster('fuji'), bootstrapSecret('boot'));
}, 600_000);

afterAll(() => world?.down());

const apply = (...objects: readonly object[]) => world.world.objects.apply(...objects);
const says = (name: string, what: RegExp) => world.says('LibvirtMachine', name, what);
const uuid = (name: string) => world.virsh(0, 'domuuid', `default.capi~${name}`);

async function inHost(command: string, ...args: readonly string[]): Promise<string> {
  return (await world.lab.hosts[0]?.sandbox())?.run(command, ...args) ?? '';
}

/** A machine on a bridge without DHCP. */
function machine(name: string, from: object, libvirt: object = {}): [object, object] {
  const interfaces = [{ bridge: BRIDGE, addressesFromPools: [from], nameservers: ['10.77.0.2'] }];
  return world.machine(name, 'fuji', { libvirt: { interfaces, ...libvirt } });
}

async function addresses(name: string): Promise<string[]> {
  const found = (await world.get('LibvirtMachine', name))?.status?.['addresses'] as { address: string }[];
  return (found ?? []).map(({ address }) => address);
}

const finalizers = (object: ApiObject | undefined) => object?.metadata.finalizers ?? [];

async function deleteMachine(name: string): Promise<void> {
  await world.delete('Machine', name);
  await expect.poll(() => world.get('LibvirtMachine', name), poll).toBeUndefined();
}

it('a machine waits for its pool, says why, and boots at the address that it is granted after a crash of the controller', async () => {
  await apply(...machine('guest', STAND_IN_POOL, { running: true }));
  await says(
    'guest',
    /^False PoolKindUnknown: spec\.interfaces\[0\]\.addressesFromPools\[0\]: .*StandInPool/,
  );
  expect(await pool.claim('guest-0-0')).toMatchObject({
    metadata: {
      labels: { 'cluster.x-k8s.io/cluster-name': 'fuji' },
      finalizers: [HELD],
      ownerReferences: [
        { kind: 'LibvirtMachine', name: 'guest', controller: true, blockOwnerDeletion: true },
      ],
    },
    spec: { clusterName: 'fuji', poolRef: STAND_IN_POOL },
  });
  await pool.refuse('guest-0-0', 'PoolExhausted', 'all 3 are used');
  await says('guest', /^False PoolExhausted: .*StandInPool "pool" has no free address: .*all 3 are used/);
  expect(await world.domains()).toEqual([]);
  await world.controller.kill();
  await pool.grant('guest-0-0', { address: '10.77.0.10', prefix: 24, gateway: '10.77.0.1' });
  await world.crash();
  await says('guest', /^True/);
  expect(await addresses('guest')).toContain('10.77.0.10');
  expect(await pool.address('guest-0-0')).toMatchObject({ metadata: { finalizers: [HELD] } });
  // A closed port answers; without a guest at the address there is no route to it.
  const answer = () => inHost('bash', '-c', 'exec 2>&1; timeout 1 bash -c "</dev/tcp/10.77.0.10/9" || true');
  await expect.poll(answer, poll).toContain('Connection refused');
});

it('a changed address of a running machine is reported, and changes nothing', async () => {
  const before = await uuid('guest');
  await pool.grant('guest-0-0', { address: '10.77.0.99', prefix: 24 }, 'other');
  await says(
    'guest',
    /^False AddressChanged: .*now has 10\.77\.0\.99\/24; the machine keeps 10\.77\.0\.10\/24/,
  );
  expect(await addresses('guest')).toContain('10.77.0.10');
  expect(await uuid('guest')).toBe(before);
  await world.world.objects.patch(
    'ipaddressclaims.ipam.cluster.x-k8s.io',
    'guest-0-0',
    { status: { addressRef: { name: 'guest-0-0' } } },
    'status',
  );
  await says('guest', /^True/);
  expect(await uuid('guest')).toBe(before);
});

it('a claim that is deleted too early is kept and reported; claim and address are released after the virtual machine is deleted', async () => {
  await world.delete('ipaddressclaims.ipam.cluster.x-k8s.io', 'guest-0-0');
  await says(
    'guest',
    /^False ClaimDeleted: .*"guest-0-0" was deleted; .*the machine keeps 10\.77\.0\.10\/24/,
  );
  expect(await uuid('guest')).not.toBe('');
  await world.lab.hosts[0]?.stopLibvirtd();
  await world.delete('Machine', 'guest');
  await says('guest', /LibvirtUnreachable/);
  for (const held of [await pool.claim('guest-0-0'), await pool.address('guest-0-0')])
    expect(finalizers(held)).toContain(HELD);
  await world.lab.hosts[0]?.startLibvirtd();
  await expect.poll(() => world.get('LibvirtMachine', 'guest'), poll).toBeUndefined();
  expect(await world.domains()).toEqual([]);
  await expect.poll(() => pool.claim('guest-0-0'), poll).toBeUndefined();
  for (const name of ['guest-0-0', 'other'])
    await expect.poll(() => pool.address(name), poll).toBeUndefined();
});

const inClusterPool = (last: number) => ({
  apiVersion: 'ipam.cluster.x-k8s.io/v1alpha2',
  kind: 'InClusterIPPool',
  metadata: { name: 'rack', namespace: 'default' },
  spec: { addresses: [`10.77.0.20-10.77.0.${last}`], prefix: 24, gateway: '10.77.0.1' },
});

it('a machine for which the in-cluster pool has no address names the pool, and is created when the pool grows', async () => {
  await apply(inClusterPool(20), ...machine('a', IN_CLUSTER));
  await says('a', /^True/);
  expect(claimed(await world.get('LibvirtMachine', 'a'))).toEqual(['10.77.0.20/24']);
  await apply(...machine('b', IN_CLUSTER));
  await says('b', /^False WaitingForPool: .*InClusterIPPool "rack" has not answered IPAddressClaim "b-0-0"/);
  expect(await world.domains()).toEqual(['default.capi~a']);
  await apply(inClusterPool(21));
  await says('b', /^True/);
  expect(claimed(await world.get('LibvirtMachine', 'b'))).toEqual(['10.77.0.21/24']);
});

it('the in-cluster pool gives an address to another machine after the first one is deleted, and not as soon as its claim is', async () => {
  await world.delete('ipaddressclaims.ipam.cluster.x-k8s.io', 'a-0-0');
  await says('a', /^False ClaimDeleted/);
  await apply(...machine('c', IN_CLUSTER));
  await says('c', /^False WaitingForPool/);
  expect((await world.domains()).sort()).toEqual(['default.capi~a', 'default.capi~b']);
  await deleteMachine('a');
  await says('c', /^True/);
  expect(claimed(await world.get('LibvirtMachine', 'c'))).toEqual(['10.77.0.20/24']);
  await world.delete('Cluster', 'fuji');
  await expect.poll(() => world.get('Cluster', 'fuji'), poll).toBeUndefined();
  const left = async () =>
    Promise.all(
      ['ipaddressclaims', 'ipaddresses'].map((kind) => world.list(`${kind}.ipam.cluster.x-k8s.io`)),
    );
  await expect.poll(left, poll).toEqual([[], []]);
});

function claimed(object: ApiObject | undefined): string[] {
  const status = object?.status?.['providerStatus'] as { claimedAddresses?: { address: string }[] };
  return (status?.claimedAddresses ?? []).map(({ address }) => address);
}
