/**
 * Assigns a MAC address to each interface whose author gives none. It derives from what stays when a machine is made again, so
 * that the same guest, or the next one at a fixed address, is known to DHCP servers and switches by the same address.
 */

import { createHash } from 'node:crypto';
import type { Pinned } from '../api/kinds/machine.ts';
import type { LibvirtMachineProviderSpec } from '../api/kinds/machine-provider-spec.ts';
import { reservedAddress } from './machine-intent.ts';
import type { MachineIdentity } from './names.ts';
import type { Site } from './site.ts';

export interface MacRequest {
  readonly machine: MachineIdentity;
  readonly installation: string;
  readonly spec: Pick<LibvirtMachineProviderSpec, 'interfaces'>;
  readonly site: Site;
  readonly pinned: Pinned | undefined;
}

/** Returns the MAC of each interface in lower case: what its author gives, else what it has, else one that derives from its identity. */
export function assignMacs({ machine, installation, spec, site, pinned }: MacRequest): string[] {
  return (spec.interfaces ?? [{}]).map((nic, index) => {
    const fixed = reservedAddress(nic);
    const known = nic.mac?.toLowerCase() ?? knownMac(pinned, index, fixed);
    if (known !== undefined) return known;
    // While the lease of a MAC lasts, dnsmasq gives its fixed address to no other, even if the machine is gone.
    if (fixed !== undefined)
      return deriveMac(installation, site.uri, nic.network ?? site.network.name, fixed);
    return deriveMac(installation, `${machine.namespace}/${machine.name}`, String(index));
  });
}

/** Returns the pinned MAC, unless the fixed address has changed: the MAC goes to the next machine at the old address. */
function knownMac(pinned: Pinned | undefined, index: number, fixed: string | undefined): string | undefined {
  const mac = pinned?.macs?.[index];
  const before = pinned?.reservations?.find((one) => one.mac === mac)?.address;
  return mac !== undefined && before === fixed ? mac : undefined;
}

/**
 * Hashes the parts into 40 bits behind `52`, which marks an address as locally administered and unicast. libvirt puts `fe` in the
 * place of the first byte for its own end of the cable, so that the other five must differ.
 */
export function deriveMac(...parts: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return `52:${digest.slice(0, 10).match(/../g)?.join(':')}`;
}
