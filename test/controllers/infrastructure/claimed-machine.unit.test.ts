/** Verifies that a machine with pools is created after its claims are bound, and releases them at its end. */

import { beforeEach, expect, it } from 'vitest';
import { ContractClusterKind, ContractMachineKind } from '../../../src/api/infrastructure/contract.ts';
import { IPAddressClaimKind, IPAddressKind } from '../../../src/api/infrastructure/ipam.ts';
import { LibvirtClusterKind } from '../../../src/api/infrastructure/libvirt-cluster.ts';
import { LibvirtMachineKind } from '../../../src/api/infrastructure/libvirt-machine.ts';
import { FINALIZER } from '../../../src/api/schema/group.ts';
import type { KubeObject, ObjectKey, ResourceKind } from '../../../src/apimachinery/object.ts';
import { AddressClaims } from '../../../src/controllers/infrastructure/address-claims.ts';
import { LibvirtMachineReconciler } from '../../../src/controllers/infrastructure/machine-reconciler.ts';
import { ProjectedStore } from '../../../src/controllers/infrastructure/projected-store.ts';
import { MachineReconciler } from '../../../src/controllers/machine/controller.ts';
import { infrastructureKey } from '../../../src/intent/names.ts';
import { LocalStore } from '../../../src/store/local-store.ts';
import { memoryDir } from '../../terraform/scratch.ts';

const KEY = { namespace: 'default', name: 'web' };
const MACHINE = infrastructureKey(KEY);
const CLAIM = { namespace: 'default', name: 'web-0-0' };
const pool = { apiGroup: 'ipam.cluster.x-k8s.io', kind: 'InClusterIPPool', name: 'rack1' };
const OTHER = { fieldManager: 'test' };

let store: LocalStore;
let addresses: AddressClaims;
let projected: ProjectedStore;
/** Of the machine's original reconcile, which would make it. */
let reconciles: number;

function apply<T extends KubeObject>(kind: ResourceKind<T>, metadata: object, spec: object): Promise<T> {
  return store.apply(kind, { metadata, spec } as unknown as T, OTHER);
}

beforeEach(async () => {
  store = await LocalStore.open(await memoryDir());
  reconciles = 0;
  projected = new ProjectedStore({ store, serves: async () => true });
  addresses = new AddressClaims({
    infrastructure: store,
    store: projected,
    serves: async () => true,
    servesPool: async () => true,
  });
  const reference = (kind: string) => ({ apiGroup: 'infrastructure.cluster.x-k8s.io', kind, name: 'web' });
  await apply(LibvirtClusterKind, KEY, {});
  await apply(ContractClusterKind, KEY, { infrastructureRef: reference('LibvirtCluster') });
  const status = { initialization: { infrastructureProvisioned: true } };
  await store.applyStatus(ContractClusterKind, KEY, status, OTHER);
  const { metadata } = await apply(ContractMachineKind, KEY, {
    clusterName: 'web',
    bootstrap: { dataSecretName: 'boot' },
    infrastructureRef: reference('LibvirtMachine'),
  });
  const owner = { apiVersion: 'cluster.x-k8s.io/v1beta2', kind: 'Machine', name: 'web', uid: metadata.uid };
  await apply(
    LibvirtMachineKind,
    { ...KEY, ownerReferences: [owner] },
    { vcpu: 1, memoryMiB: 64, imageURI: '/a.qcow2', interfaces: [{ addressesFromPools: [pool] }] },
  );
});

function reconcile(machines: { reconcile: (key: ObjectKey) => Promise<object> }): Promise<object> {
  const blocks = {
    isLeft: () => false,
    clear: async () => {},
    throughout: (_: unknown, __: unknown, work: () => unknown) => work(),
  };
  return new LibvirtMachineReconciler({
    infrastructure: store,
    store: projected,
    machines,
    blocks,
    records: {},
    addresses,
    settle: async () => {},
    watchFilter: undefined,
  } as never).reconcile(MACHINE);
}

const make = () => reconcile({ reconcile: async () => ({ reconciles: ++reconciles }) });
const claim = () => store.get(IPAddressClaimKind, CLAIM);

/** As an IPAM provider answers. */
async function grant(): Promise<void> {
  await apply(IPAddressKind, CLAIM, { claimRef: { name: 'web-0-0' }, address: '10.0.0.5', prefix: 24 });
  await store.applyStatus(IPAddressClaimKind, CLAIM, { addressRef: { name: 'web-0-0' } }, OTHER);
}

it('nothing is made on a host before its address is granted', async () => {
  await make();
  expect(await claim()).toMatchObject({ spec: { clusterName: 'web', poolRef: pool } });
  expect(reconciles).toBe(0);
  await grant();
  await make();
  expect(reconciles).toBe(1);
});

it('nothing is claimed for a Cluster that is paused', async () => {
  await store.apply(ContractClusterKind, { metadata: KEY, spec: { paused: true } }, OTHER);
  await make();
  expect(await claim()).toBeUndefined();
});

it('one that is deleted before anything was made gives its claim back first, and stays until that is done', async () => {
  await make();
  await grant();
  await store.delete(LibvirtMachineKind, KEY);
  const remove = (beforeRelease: (key: ObjectKey) => Promise<void>) => {
    const parts = { store: projected, recorder: { event: () => {} }, beforeRelease };
    return reconcile(new MachineReconciler(parts as never));
  };
  const refused = remove(() => Promise.reject(new Error('the API server is away')));
  await expect(refused).rejects.toThrow('is away');
  expect((await store.get(LibvirtMachineKind, KEY))?.metadata.finalizers).toEqual([FINALIZER]);
  await remove((key) => addresses.release(key));
  expect(await claim()).toBeUndefined();
  expect(await store.get(LibvirtMachineKind, KEY)).toBeUndefined();
});
