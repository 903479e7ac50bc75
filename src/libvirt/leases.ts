/** Reads the DHCP leases of libvirt's networks. */

import { type DomainAddress, isReachable } from './addresses.ts';
import type { DomainInterface } from './domain.ts';
import type { RunOptions, Virsh } from './virsh.ts';
import type { Command } from './virsh-command.ts';

/** A DHCP lease of a libvirt network. */
export interface Lease {
  readonly mac: string;
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
  /** As the guest gave it; absent when it gave none. */
  readonly hostname?: string | undefined;
  /** When it expires unless renewed. A domain that is replaced and keeps its MAC shows its old lease until then. */
  readonly expiresAt: Date;
}

/**
 * Reads the output of `virsh -q net-dhcp-leases`, times in UTC:
 * ` 2026-11-23 15:15:34   52:54:00:00:00:11   ipv4   192.168.122.43/24   caplv-guest   01:52:54:00:00:00:11`
 */
export function parseLeases(text: string): Lease[] {
  return text.split('\n').flatMap((line) => {
    const [, date, time, mac, family, address, prefix, hostname] = ROW.exec(line) ?? [];
    if (mac === undefined || address === undefined) return [];
    return [
      {
        mac: mac.toLowerCase(),
        address,
        prefix: Number(prefix),
        family: family as 'ipv4' | 'ipv6',
        hostname: hostname === '-' ? undefined : hostname,
        expiresAt: new Date(`${date}T${time}Z`),
      },
    ];
  });
}

const ROW =
  /^\s*(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\s+([0-9a-f]{2}(?::[0-9a-f]{2}){5})\s+(ipv[46])\s+([0-9a-f.:]+)\/(\d+)\s+(\S+)/i;

/** Returns what tells a lease from the same one after its guest has asked again. */
export function leaseVersion({ address, expiresAt }: Pick<Lease, 'address' | 'expiresAt'>): string {
  return `${address} ${expiresAt.toISOString()}`;
}

/** Returns the leases of a domain's interfaces, each in the network of its interface. */
export function leasesOf(
  interfaces: readonly DomainInterface[],
  leases: ReadonlyMap<string, readonly Lease[]>,
): Lease[] {
  return interfaces.flatMap(({ mac, network }) =>
    (leases.get(network ?? '') ?? []).filter((lease) => lease.mac === mac),
  );
}

/** Reads the leases by network, in one process; none for a network that does not exist or gives out no addresses. */
export async function networkLeases(
  virsh: Virsh,
  networks: readonly string[],
  options?: RunOptions,
): Promise<Map<string, Lease[]>> {
  const commands = networks.map((name): Command => ['net-dhcp-leases', `--network=${name}`]);
  const answers = await virsh.batch(commands, options);
  return new Map(networks.map((name, i) => [name, parseLeases(answers[i]?.text ?? '')]));
}

/** Returns the leases of one domain's interfaces as addresses. */
export function leasedAddresses(leases: readonly Lease[], macs: readonly string[]): DomainAddress[] {
  return leases
    .filter(({ mac, address }) => macs.includes(mac) && isReachable(address))
    .map(({ mac, address, prefix, family }) => ({ mac, address, prefix, family, source: 'lease' }));
}
