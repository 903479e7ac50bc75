/** Which addresses a running guest has, and what is missing before it counts as reachable. */

import type { InterfaceIntent } from '../../../../stacks/intent.ts';
import { isStatic } from '../../../api/kinds/machine-interface.ts';
import { interfacesOf } from '../../../intent/machine-intent.ts';
import type { DomainInterface, DomainObservation } from '../../../libvirt/domain.ts';
import type { PlacedMachine } from '../scope/placed-machine.ts';

type Seen = Pick<DomainObservation, 'interfaces' | 'addresses' | 'guestAgent'>;

/** Returns what was seen, and what the guest configures by itself as its author says. */
export function guestAddresses({ spec }: Pick<PlacedMachine, 'spec'>, { addresses }: Seen): string[] {
  const declared = (spec.interfaces ?? []).flatMap((nic) => (isStatic(nic) ? (nic.addresses ?? []) : []));
  const own = declared.map((address) => address.replace(/\/.*/, ''));
  return [...new Set([...addresses.map(({ address }) => address), ...own])];
}

/** Returns what the guest lacks, in a sentence for its condition; undefined: it has an address, and every fixed one. */
export function missingAddresses(placed: PlacedMachine, observed: Seen): string | undefined {
  const { identity, spec, site } = placed;
  const wanted = interfacesOf(identity, spec, site);
  const fixed = wanted.flatMap((nic, index) => missingFixed(nic, index, observed) ?? []);
  if (fixed.length > 0) return fixed.join('; ');
  if (guestAddresses(placed, observed).length > 0) return undefined;
  if (observed.interfaces.length === 0) return 'the guest has no network interface, and so no address';
  const where = observed.interfaces.map(describeInterface).join('; ');
  return `no address of the guest is known: ${where}; ${describeAgent(spec.guestAgent, observed)}`;
}

/** Of another address the guest is not reachable where its author expects it. */
function missingFixed(
  nic: InterfaceIntent,
  index: number,
  { interfaces, addresses }: Seen,
): string | undefined {
  const [fixed] = nic.kind === 'network' ? (nic.addresses ?? []) : [];
  const mac = interfaces[index]?.mac;
  if (fixed === undefined || mac === undefined) return undefined;
  const own = addresses.filter((one) => one.mac === mac).map(({ address }) => address);
  if (own.includes(fixed)) return undefined;
  const others = own.filter((address) => !address.includes(':'));
  if (others.length === 0) return `interface ${index} has no lease of its fixed address ${fixed} yet`;
  return (
    `interface ${index} has ${others.join(', ')} and not its fixed address ${fixed}: ` +
    'the DHCP server keeps that until the lease of who had it before ends, or the guest has not asked again since'
  );
}

function describeInterface({ mac, network, bridge, device }: DomainInterface, index: number): string {
  if (network !== undefined) return `interface ${index} (${mac}) has no DHCP lease of network ${network}`;
  return (
    `interface ${index} (${mac}) is on ${bridge ?? device}, where libvirt gives out no addresses, ` +
    'and the host has not heard from it'
  );
}

function describeAgent(isWanted: boolean, { guestAgent }: Seen): string {
  if (!isWanted) {
    return 'set guestAgent and run qemu-guest-agent in the guest, or give its addresses with their prefix';
  }
  if (guestAgent === 'connected') return 'qemu-guest-agent answers, and names none either';
  return 'qemu-guest-agent does not answer: is it installed in the guest, and running?';
}
