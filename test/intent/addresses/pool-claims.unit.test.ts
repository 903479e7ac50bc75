/** Verifies the claims of a machine's pools, and the interfaces that result from the granted addresses. */

import { describe, expect, it } from 'vitest';
import type { LibvirtMachine } from '../../../src/api/infrastructure/libvirt-machine.ts';
import { LibvirtMachineSpecSchema } from '../../../src/api/infrastructure/libvirt-machine.ts';
import { machineProviderSpec } from '../../../src/api/kinds/machine.ts';
import { fieldProblems, formatProblem } from '../../../src/api/schema/problem.ts';
import { requireClaimedAddresses } from '../../../src/controllers/machine/addresses/require-claimed.ts';
import {
  claimedGateways,
  grantedAddress,
  poolClaimsOf,
  withClaimedAddresses,
} from '../../../src/intent/addresses/pool-claims.ts';

const POOL = { apiGroup: 'ipam.cluster.x-k8s.io', kind: 'InClusterIPPool', name: 'rack1' };
const V6 = { ...POOL, name: 'rack1-v6' };
const SPEC = { vcpu: 1, memoryMiB: 512, imageURI: '/a.qcow2' };

function machine(name: string, ...pools: readonly (readonly object[] | undefined)[]): LibvirtMachine {
  const interfaces = pools.map((addressesFromPools) => (addressesFromPools ? { addressesFromPools } : {}));
  return { metadata: { name }, spec: { ...SPEC, interfaces } } as unknown as LibvirtMachine;
}

const names = (one: LibvirtMachine) => poolClaimsOf(one).map(({ name }) => name);

describe('claims of a machine', () => {
  it('are one for each pool of each interface, by which field asks for it', () => {
    expect(poolClaimsOf(machine('web', undefined, [POOL, V6]))).toEqual([
      { name: 'web-1-0', interface: 1, pool: POOL, path: 'spec.interfaces[1].addressesFromPools[0]' },
      { name: 'web-1-1', interface: 1, pool: V6, path: 'spec.interfaces[1].addressesFromPools[1]' },
    ]);
    expect(poolClaimsOf(machine('web'))).toEqual([]);
  });

  it('have names that no two machines have in common, within the length of a name', () => {
    const eleven = Array.from({ length: 11 }, () => [POOL]);
    const all = ['a', 'a-0', 'a-0-0', 'a-1', 'a-10'].flatMap((name) => names(machine(name, ...eleven)));
    expect(new Set(all).size).toBe(all.length);
    expect(names(machine('x'.repeat(63), ...Array(16).fill([POOL]))).at(-1)?.length).toBeLessThan(253);
  });
});

describe('an interface', () => {
  const claimed = [
    { interface: 0, claim: 'web-0-0', address: '10.0.0.5/24', gateway: '10.0.0.1' },
    { interface: 0, claim: 'web-0-1', address: 'fd00::5/64', gateway: 'fd00::1' },
    { interface: 1, claim: 'web-1-0', address: '10.1.0.5/24', gateway: '10.1.0.1' },
  ];

  it('has the granted addresses in place of its pools, as a Machine would name them', () => {
    const { spec } = machine('web', [POOL, V6], [POOL], undefined);
    const interfaces = withClaimedAddresses(spec.interfaces ?? [], claimed);
    expect(interfaces).toEqual([
      { addresses: ['10.0.0.5/24', 'fd00::5/64'] },
      { addresses: ['10.1.0.5/24'] },
      {},
    ]);
    expect(
      machineProviderSpec({ spec: { providerSpec: { ...SPEC, interfaces } } as never }).interfaces,
    ).toEqual(interfaces);
  });

  it('keeps its pools while one of them has granted nothing, and no guest is configured by it', () => {
    const { spec } = machine('web', [POOL, V6]);
    const interfaces = withClaimedAddresses(spec.interfaces ?? [], claimed.slice(0, 1));
    expect(interfaces).toEqual(spec.interfaces);
    const shown = {
      metadata: { name: 'capi~web' },
      spec: { providerSpec: { ...SPEC, interfaces } } as never,
    };
    expect(() => requireClaimedAddresses(shown)).toThrow('have not granted the addresses of this interface');
  });

  it('is the default route of a family only if no interface before it is', () => {
    expect([0, 1].map((index) => claimedGateways(index, claimed))).toEqual([['10.0.0.1', 'fd00::1'], []]);
    expect([0, 1].map((index) => claimedGateways(index, claimed.slice(1)))).toEqual([
      ['fd00::1'],
      ['10.1.0.1'],
    ]);
    expect(claimedGateways(0)).toEqual([]);
  });
});

describe('what a pool granted', () => {
  const granted = (address: string, prefix: number, gateway?: string) =>
    grantedAddress({ spec: { address, prefix, ...(gateway !== undefined && { gateway }) } });

  it.each<[string, number, string | undefined]>([
    ['10.0.0.5', 24, '10.0.0.1'],
    ['10.0.0.5', 24, undefined],
    ['10.0.0.5', 24, ''],
    ['fd00::5', 64, 'fd00::1'],
    ['fd00::5', 64, 'fe80::1'],
  ])('is taken: %s/%i, gateway %s', (address, prefix, gateway) => {
    expect(granted(address, prefix, gateway)).toEqual({
      address: `${address}/${prefix}`,
      ...(gateway && { gateway }),
    });
  });

  it.each<[string, number, string | undefined, string]>([
    ['10.0.0.5', 33, undefined, 'the address 10.0.0.5/33'],
    ['10.0.0.5', 0, undefined, 'the address 10.0.0.5/0'],
    ['224.0.0.1', 24, undefined, 'the address 224.0.0.1/24'],
    ['fd00::5%eth0', 64, undefined, 'the address'],
    ['10.0.0.0/8', 24, undefined, 'the address'],
    ['', 24, undefined, 'the address'],
    ['10.0.0.5', 24, '10.0.1.1', 'the gateway 10.0.1.1'],
    ['10.0.0.5', 24, 'fd00::1', 'the gateway fd00::1'],
    ['10.0.0.5', 24, 'router', 'the gateway router'],
  ])('is refused: %s/%i, gateway %s', (address, prefix, gateway, why) => {
    expect(granted(address, prefix, gateway)).toEqual({ unusable: expect.stringContaining(why) });
  });
});

describe('a LibvirtMachine', () => {
  const problems = (nic: object, spec: object = {}) =>
    fieldProblems(LibvirtMachineSpecSchema, { ...SPEC, interfaces: [nic], ...spec }).map(formatProblem);
  const addressesFromPools = [POOL];

  it('may name pools and name servers, on any network', () => {
    expect(problems({ addressesFromPools, nameservers: ['10.0.0.2'], bridge: 'br0' })).toEqual([]);
    expect(problems({ addressesFromPools, network: 'default', hostname: 'web' })).toEqual([]);
  });

  it.each<[object, object, RegExp]>([
    [{ addressesFromPools, addresses: ['10.0.0.5/24'] }, {}, /the pools give the addresses/],
    [{ addressesFromPools, addressing: 'dhcp' }, {}, /the pools give the addresses/],
    [{ addressesFromPools: [] }, {}, /interfaces\[0\]\.addressesFromPools/],
    [{ addressesFromPools: [{ ...POOL, name: 'Rack_1' }] }, {}, /addressesFromPools\[0\]\.name/],
    [{ addressesFromPools: [{ ...POOL, kind: 'In/Cluster' }] }, {}, /addressesFromPools\[0\]\.kind/],
    [{ addressesFromPools: [{ kind: 'A', name: 'b' }] }, {}, /addressesFromPools\[0\]\.apiGroup/],
    [{ addressesFromPools }, { networkConfig: 'version: 2' }, /both configure the network of the guest/],
    [{ nameservers: ['10.0.0.2'] }, {}, /or addressesFromPools/],
  ])('%j %j is refused', (nic, spec, problem) => {
    expect(problems(nic, spec).join('\n')).toMatch(problem);
  });
});
