/** Reads the addresses of guests from DHCP leases, guest agents and the host's neighbour table. */

import { BlockList, isIPv6 } from 'node:net';
import { LibvirtError } from './libvirt-error.ts';
import type { Answer, RunOptions, Virsh } from './virsh.ts';

/**
 * Names a source of addresses. `lease`: the DHCP server of a libvirt network. `agent`: the guest itself, through
 * qemu-guest-agent. `arp`: the host's neighbour table, with the peers of recent traffic.
 */
export type AddressSource = 'lease' | 'agent' | 'arp';

export interface DomainAddress {
  /** Lower case. */
  readonly mac: string;
  readonly address: string;
  /** Length of the network prefix; 0 where the source does not know it (arp). */
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
  readonly source: AddressSource;
}

/** Limits the wait for an agent, for which virsh itself would wait for ever. */
const AGENT_LIMIT_MS = 5_000;

/**
 * Returns addresses of a running domain from the given sources, each address once, by the first source that knows it. Empty when
 * none is known, the domain is off, or it does not exist. A source that cannot answer counts as empty: an agent that is
 * not installed or not up yet is an ordinary state of a guest.
 */
export async function domainAddresses(
  virsh: Virsh,
  name: string,
  sources: readonly AddressSource[],
  options: RunOptions = {},
): Promise<DomainAddress[]> {
  const domain = `--domain=${name}`;
  const answers = await Promise.all(
    sources.map(async (source) => {
      const timed = source === 'agent' ? { timeoutMs: AGENT_LIMIT_MS, ...options } : options;
      const [interfaces, found] = await virsh
        .batch(
          [
            ['domiflist', domain],
            ['domifaddr', domain, '--full', `--source=${source}`],
          ],
          timed,
        )
        .catch((error: unknown): Answer[] => {
          if (source === 'agent' && error instanceof LibvirtError && error.code === 'timeout') return [];
          throw error;
        });
      // The agent also reports devices that only exist inside the guest, such as the bridge of its containers.
      const macs = interfaces?.text.toLowerCase() ?? '';
      return parseAddresses(found?.error ? '' : (found?.text ?? ''), source).filter(({ mac }) =>
        macs.includes(mac),
      );
    }),
  );
  return uniqueAddresses(answers.flat());
}

/**
 * Reads the output of `virsh -q domifaddr --full`:
 * ` vnet3      52:54:00:00:00:11    ipv4         192.168.122.43/24`
 */
export function parseAddresses(text: string, source: AddressSource): DomainAddress[] {
  return text.split('\n').flatMap((line) => {
    const [, mac, family, address, prefix] = ROW.exec(line) ?? [];
    if (mac === undefined || address === undefined || !isReachable(address)) return [];
    return [
      { mac: mac.toLowerCase(), address, prefix: Number(prefix), family: family as 'ipv4' | 'ipv6', source },
    ];
  });
}

const ROW = /([0-9a-f]{2}(?::[0-9a-f]{2}){5})\s+(ipv[46])\s+([0-9a-f.:]+)\/(\d+)\s*$/i;

const local = new BlockList();
local.addSubnet('127.0.0.0', 8, 'ipv4');
local.addSubnet('169.254.0.0', 16, 'ipv4');
local.addAddress('::1', 'ipv6');
local.addSubnet('fe80::', 10, 'ipv6');

/** Returns false for loopback and link-local addresses, by which no other machine reaches the guest. */
export function isReachable(address: string): boolean {
  return !local.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

function uniqueAddresses(addresses: readonly DomainAddress[]): DomainAddress[] {
  const seen = new Map<string, DomainAddress>();
  for (const found of addresses) {
    const key = `${found.mac} ${found.address}`;
    if (!seen.has(key)) seen.set(key, found);
  }
  return [...seen.values()];
}
