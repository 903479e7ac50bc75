/** Verifies the IPAddressClaims of a machine, from the first claim to their release. */

import { beforeEach, describe, expect, it } from 'vitest';
import {
  type IPAddress,
  type IPAddressClaim,
  IPAddressClaimKind,
  IPAddressKind,
} from '../../../src/api/infrastructure/ipam.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../../src/api/infrastructure/libvirt-machine.ts';
import { MachineKind } from '../../../src/api/kinds/machine.ts';
import { ADDRESS_FINALIZER, FINALIZER } from '../../../src/api/schema/group.ts';
import { findCondition } from '../../../src/apimachinery/conditions.ts';
import { AddressClaims } from '../../../src/controllers/infrastructure/address-claims.ts';
import { ProjectedStore } from '../../../src/controllers/infrastructure/projected-store.ts';
import { infrastructureKey } from '../../../src/intent/names.ts';
import { ApiError } from '../../../src/kube/client/api-error.ts';
import { LocalStore } from '../../../src/store/local-store.ts';
import { memoryDir } from '../../terraform/scratch.ts';

const KEY = { namespace: 'default', name: 'web' };
const CLAIM = { namespace: 'default', name: 'web-0-0' };
const pool = { apiGroup: 'ipam.cluster.x-k8s.io', kind: 'InClusterIPPool', name: 'rack1' };
const owners = { machine: undefined, cluster: undefined, infrastructure: undefined };
/** Of the test, in the part of a person or of an IPAM provider. */
const OTHER = { fieldManager: 'test' };

let store: LocalStore;
let served: boolean;
let claims: AddressClaims;

beforeEach(async () => {
  store = await LocalStore.open(await memoryDir());
  served = true;
  claims = new AddressClaims({
    infrastructure: store,
    store: projected(),
    serves: async () => served,
    servesPool: async () => true,
  });
  const spec = { vcpu: 1, memoryMiB: 64, imageURI: '/a.qcow2', interfaces: [{ addressesFromPools: [pool] }] };
  await store.apply(LibvirtMachineKind, { metadata: KEY, spec } as never, OTHER);
});

const projected = () => new ProjectedStore({ store, serves: async () => true });
const machine = async () => (await store.get(LibvirtMachineKind, KEY)) as LibvirtMachine;
const claim = () => store.get(IPAddressClaimKind, CLAIM);
const address = () => store.get(IPAddressKind, CLAIM);
const ensure = async () => claims.ensure(await machine(), owners);

/** As an IPAM provider answers a claim. */
async function grant(ip = '10.0.0.5'): Promise<void> {
  const spec = { claimRef: { name: 'web-0-0' }, poolRef: pool, address: ip, prefix: 24 };
  await store.apply(IPAddressKind, { metadata: CLAIM, spec } as unknown as IPAddress, OTHER);
  const status = { addressRef: { name: 'web-0-0' } } as IPAddressClaim['status'];
  await store.applyStatus(IPAddressClaimKind, CLAIM, status, OTHER);
}

/** As the creation of the virtual machine does. */
async function makeVirtualMachine(): Promise<void> {
  const { status } = await machine();
  const pinned = {
    uri: 'qemu:///system',
    domainType: 'qemu',
    imageURI: '/a',
    base: { pool: 'a', volume: 'b' },
  };
  const providerStatus = { ...status?.providerStatus, pinned } as never;
  await store.applyStatus(
    LibvirtMachineKind,
    KEY,
    { ...status, providerStatus },
    { fieldManager: 'caplv-controller' },
  );
}

const reason = async () => findCondition(await machine(), 'AddressesClaimed')?.reason;

describe('a machine with pools', () => {
  it('has our finalizer before it claims, and goes on when its address is held and written down', async () => {
    expect(await ensure()).toEqual({});
    expect((await machine()).metadata.finalizers).toEqual([FINALIZER]);
    expect((await claim())?.metadata).toMatchObject({
      finalizers: [ADDRESS_FINALIZER],
      ownerReferences: [{ kind: 'LibvirtMachine', uid: (await machine()).metadata.uid, controller: true }],
    });
    expect(await reason()).toBe('WaitingForPool');
    expect(findCondition(await machine(), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'WaitingForPool',
    });
    await grant();
    expect(await ensure()).toBeUndefined();
    expect((await address())?.metadata.finalizers).toEqual([ADDRESS_FINALIZER]);
    expect(findCondition(await machine(), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'Provisioning',
    });
    expect((await machine()).status?.providerStatus?.claimedAddresses).toEqual([
      { interface: 0, claim: 'web-0-0', address: '10.0.0.5/24' },
    ]);
  });

  it('waits while the kinds of claims are not served, and asks again', async () => {
    served = false;
    expect(await ensure()).toEqual({ requeueAfterMs: expect.any(Number) });
    expect(await reason()).toBe('IPAMNotInstalled');
    served = true;
    expect(await ensure()).toEqual({});
    expect(await reason()).toBe('WaitingForPool');
  });

  it('names the missing rights, and goes on if it is made', async () => {
    const forbidden = async () => {
      throw new ApiError({ code: 403, reason: 'Forbidden', message: 'no rights' });
    };
    const get = (kind: { kind: string }, ...rest: [never]) =>
      kind.kind === 'LibvirtMachine' ? store.get(LibvirtMachineKind, ...rest) : forbidden();
    const infrastructure = Object.assign(Object.create(store), { get, list: forbidden });
    const shared = { infrastructure, serves: async () => true, servesPool: async () => true };
    const without = new AddressClaims({ ...shared, store: projected() });
    expect(await without.ensure(await machine(), owners)).toEqual({ requeueAfterMs: expect.any(Number) });
    expect(findCondition(await machine(), 'AddressesClaimed')).toMatchObject({
      reason: 'NotAllowed',
      message: expect.stringContaining('kubectl apply -k deploy/infrastructure/rbac'),
    });
    await ensure();
    await grant();
    await ensure();
    await makeVirtualMachine();
    expect(await without.ensure(await machine(), owners)).toBeUndefined();
    expect(await reason()).toBe('NotAllowed');
  });

  it('of which nothing is made lets go of a claim that somebody deletes, and makes another one', async () => {
    await ensure();
    await grant();
    await ensure();
    const before = (await claim())?.metadata.uid;
    await store.delete(IPAddressClaimKind, CLAIM);
    expect(await ensure()).toEqual({});
    expect((await claim())?.metadata.uid).not.toBe(before);
  });

  it('touches no claim of something else', async () => {
    const other = { metadata: CLAIM, spec: { poolRef: pool } } as IPAddressClaim;
    await store.apply(IPAddressClaimKind, other, OTHER);
    expect(await ensure()).toEqual({});
    expect(await reason()).toBe('NotOwned');
    await claims.release(infrastructureKey(KEY));
    expect((await claim())?.metadata.deletionTimestamp).toBeUndefined();
    expect((await claim())?.metadata.finalizers).toBeUndefined();
  });

  it('that is made keeps its address, and goes on, whatever becomes of claims', async () => {
    await ensure();
    await grant();
    await ensure();
    await makeVirtualMachine();
    await grant('10.0.0.6');
    expect(await ensure()).toBeUndefined();
    expect(await reason()).toBe('AddressChanged');
    await store.delete(IPAddressClaimKind, CLAIM);
    expect(await ensure()).toBeUndefined();
    expect(await reason()).toBe('ClaimDeleted');
    expect((await claim())?.metadata.finalizers).toEqual([ADDRESS_FINALIZER]);
    served = false;
    expect(await ensure()).toBeUndefined();
    expect(await reason()).toBe('IPAMNotInstalled');
    expect((await machine()).status?.providerStatus?.claimedAddresses?.[0]?.address).toBe('10.0.0.5/24');
  });

  it('that is made without a record of its addresses reads them from its claims before anything is compared', async () => {
    await ensure();
    await makeVirtualMachine();
    const status = { ...(await machine()).status } as NonNullable<LibvirtMachine['status']>;
    expect(status.providerStatus?.claimedAddresses).toBeUndefined();
    expect(await ensure()).toEqual({ requeueAfterMs: expect.any(Number) });
    await grant();
    expect(await ensure()).toBeUndefined();
    expect((await machine()).status?.providerStatus?.claimedAddresses?.[0]?.address).toBe('10.0.0.5/24');
  });

  it('gives all back when it is gone: claims, and whatever was granted for them', async () => {
    await ensure();
    await grant();
    await ensure();
    const other = { metadata: { ...CLAIM, name: 'other', finalizers: [ADDRESS_FINALIZER] } };
    const spec = { claimRef: { name: 'web-0-0' } };
    await store.apply(IPAddressKind, { ...other, spec } as unknown as IPAddress, OTHER);
    await claims.release(infrastructureKey(KEY));
    expect(await claim()).toBeUndefined();
    const left = await store.list(IPAddressKind);
    expect(left.map(({ metadata }) => [metadata.name, metadata.finalizers ?? []])).toEqual([
      ['other', []],
      ['web-0-0', []],
    ]);
    await claims.release(infrastructureKey(KEY));
  });

  it('is shown with its addresses as soon as they are written down', async () => {
    await ensure();
    await grant();
    await ensure();
    const shown = await projected().get(MachineKind, infrastructureKey(KEY));
    expect(shown?.spec.providerSpec).toMatchObject({ interfaces: [{ addresses: ['10.0.0.5/24'] }] });
  });
});

it('a machine without pools claims nothing, and its status is left alone', async () => {
  const metadata = { ...KEY, name: 'plain' };
  const spec = { vcpu: 1, memoryMiB: 64, imageURI: '/a.qcow2' };
  const plain = await store.apply(LibvirtMachineKind, { metadata, spec } as never, OTHER);
  served = false;
  expect(await claims.ensure(plain as LibvirtMachine, owners)).toBeUndefined();
  expect((await store.get(LibvirtMachineKind, metadata))?.status).toBeUndefined();
});
