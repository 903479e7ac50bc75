/** Addresses of a LibvirtMachine that pools of an IPAM provider give it: what is claimed, and what was granted. Pure. */

import { isIP } from 'node:net';
import type { IPAddress } from '../../api/infrastructure/ipam.ts';
import type { LibvirtMachine, LibvirtMachineSpec } from '../../api/infrastructure/libvirt-machine.ts';
import type { PoolReference } from '../../api/infrastructure/pool-interface.ts';
import type { ClaimedAddress } from '../../api/kinds/machine.ts';
import { isOnLink } from '../../api/kinds/machine-interface.ts';
import { interfaceAddress } from '../../api/schema/field.ts';

/** One address that a machine needs of a pool. */
export interface PoolClaim {
  /** Of the IPAddressClaim, in the namespace of the machine. */
  readonly name: string;
  /** Index of the interface. */
  readonly interface: number;
  readonly pool: PoolReference;
  /** Path of the field that asks for it. */
  readonly path: string;
}

type Interface = NonNullable<LibvirtMachineSpec['interfaces']>[number];

/**
 * Lists what a machine claims, in the order of its interfaces and their pools. `worker-1-0-2`: machine, interface, pool. The last two parts
 * are numbers, so no two machines have a name in common; it has at most 68 characters.
 */
export function poolClaimsOf({ metadata, spec }: Pick<LibvirtMachine, 'metadata' | 'spec'>): PoolClaim[] {
  return (spec.interfaces ?? []).flatMap((nic, index) =>
    (nic.addressesFromPools ?? []).map((pool, position) => ({
      name: `${metadata.name}-${index}-${position}`,
      interface: index,
      pool,
      path: `spec.interfaces[${index}].addressesFromPools[${position}]`,
    })),
  );
}

/** Returns the interfaces with the granted addresses in place of their pools. One that lacks an address stays as it is. */
export function withClaimedAddresses(
  interfaces: readonly Interface[],
  claimed: readonly ClaimedAddress[] = [],
): Interface[] {
  return interfaces.map((nic, index) => {
    const { addressesFromPools, ...others } = nic;
    const own = claimed.filter((one) => one.interface === index);
    if (!addressesFromPools || own.length !== addressesFromPools.length) return nic;
    return { ...others, addresses: own.map(({ address }) => address) };
  });
}

/** Returns the gateways of an interface: of each family the first one that any of the machine's pools gave. */
export function claimedGateways(index: number, claimed: readonly ClaimedAddress[] = []): string[] {
  return [4, 6].flatMap((family) => {
    const first = claimed.find(({ gateway = '' }) => isIP(gateway) === family);
    return first?.interface === index && first.gateway !== undefined ? [first.gateway] : [];
  });
}

/** Reads what was granted, or says why no guest can have it, as the end of a sentence that begins with it. */
export function grantedAddress({
  spec,
}: Pick<IPAddress, 'spec'>): Pick<ClaimedAddress, 'address' | 'gateway'> | { readonly unusable: string } {
  const address = `${spec.address}/${spec.prefix}`;
  if (isIP(spec.address ?? '') === 0 || !interfaceAddress().safeParse(address).success)
    return { unusable: `has the address ${address}, which no interface of a guest can have` };
  const { gateway } = spec;
  if (gateway === undefined || gateway === '') return { address };
  if (isIP(gateway) === 0 || gateway.includes('%') || !isOnLink(gateway, address))
    return { unusable: `has the gateway ${gateway}, which is not in the network of its address ${address}` };
  return { address, gateway };
}
