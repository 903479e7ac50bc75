/**
 * Writes the network configuration of a guest whose addresses no DHCP server gives out: version 2, as cloud-init reads it from the seed.
 * https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v2.html
 */

import type { InterfaceIntent } from '../../stacks/intent.ts';
import type { ClaimedAddress } from '../api/kinds/machine.ts';
import { hasPrefix, isStatic } from '../api/kinds/machine-interface.ts';
import type { LibvirtMachineProviderSpec } from '../api/kinds/machine-provider-spec.ts';
import { TerminalError } from '../errors.ts';
import { claimedGateways } from './addresses/pool-claims.ts';
import type { SeedIntent } from './hosted-intent.ts';

export interface GuestNetworkRequest {
  readonly spec: Pick<LibvirtMachineProviderSpec, 'interfaces'>;
  /** With their MAC addresses, by which the guest finds them. */
  readonly interfaces: readonly InterfaceIntent[];
  /** Path of the provider spec in the manifest, for errors. */
  readonly path: string;
  /** Of addresses that pools granted, with the gateways that came with them. */
  readonly claimed?: readonly ClaimedAddress[] | undefined;
}

interface Ethernet {
  readonly match: { readonly macaddress: string };
  readonly dhcp4: boolean;
  readonly addresses?: readonly string[];
  readonly gateway4?: string;
  readonly gateway6?: string;
  readonly nameservers?: { readonly addresses: readonly string[] };
}

/**
 * Adds the network configuration to a seed that has to hold one.
 * @throws TerminalError InvalidConfiguration for a seed that cannot hold it, and for an interface whose MAC address is not known
 */
export function withGuestNetwork(seed: SeedIntent, request: GuestNetworkRequest): SeedIntent {
  const all = (request.spec.interfaces ?? []).map((_, index) => addressesOf(request, index));
  const index = all.findIndex(({ length }) => length > 0);
  if (index < 0) return seed;
  if (seed.kind !== 'cloudinit') throw unfitSeed(seed, `${request.path}.interfaces[${index}]`);
  if (seed.networkConfig !== undefined)
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path: `${request.path}.networkConfig`,
      message: `this and the addresses of interfaces[${index}] both configure the network of the guest`,
      fix: 'leave out one of them',
    });
  return seed.withNetworkConfig(guestNetwork(request));
}

/** Writes the configuration as JSON, which is valid YAML with everything quoted: YAML reads digits with colons as a number. */
function guestNetwork(request: GuestNetworkRequest): string {
  const ethernets = (request.spec.interfaces ?? []).flatMap((nic, index) => {
    const addresses = addressesOf(request, index);
    // The manifest says that the guest configures it in another way.
    if (addresses.length === 0 && isStatic(nic)) return [];
    return [[`interface${index}`, ethernet(request, index, addresses)] as const];
  });
  return `${JSON.stringify({ version: 2, ethernets: Object.fromEntries(ethernets) }, null, 2)}\n`;
}

function ethernet(
  { spec, interfaces, path, claimed }: GuestNetworkRequest,
  index: number,
  addresses: readonly string[],
): Ethernet {
  const { gateway, nameservers = [] } = spec.interfaces?.[index] ?? {};
  const macaddress = interfaces[index]?.mac ?? interfaces[index]?.assignedMac;
  if (macaddress === undefined)
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path: `${path}.interfaces[${index}].mac`,
      message: 'the MAC address by which the guest is to find this interface is not known',
      fix: 'give it as the domain has it: virsh domiflist DOMAIN',
    });
  const match = { macaddress };
  if (addresses.length === 0) return { match, dhcp4: true };
  const gateways = gateway === undefined ? claimedGateways(index, claimed) : [gateway];
  return {
    match,
    dhcp4: false,
    addresses,
    // Not as routes: cloud-init 22.4 makes ::/0 a route to ::/64, and gives NetworkManager all routes in the family of the first address.
    ...Object.fromEntries(gateways.map((via) => [via.includes(':') ? 'gateway6' : 'gateway4', via])),
    ...(nameservers.length > 0 && { nameservers: { addresses: nameservers } }),
  };
}

/** Returns the addresses that the seed configures, with their prefix. */
function addressesOf({ spec }: GuestNetworkRequest, index: number): string[] {
  return (spec.interfaces?.[index]?.addresses ?? []).filter(hasPrefix);
}

function unfitSeed({ kind }: SeedIntent, path: string): TerminalError {
  const [message, fix] =
    kind === 'ignition'
      ? [
          'Ignition has no network configuration that all of its systems read, so the addresses cannot be written into it',
          'configure them in the Ignition data, and say addressing: static with addresses without prefix',
        ]
      : [
          'the guest reads a seed ISO that is ready, so the addresses cannot be written into it',
          'write them into its network-config, and say addressing: static with addresses without prefix',
        ];
  return new TerminalError({ code: 'InvalidConfiguration', path, message, fix });
}
