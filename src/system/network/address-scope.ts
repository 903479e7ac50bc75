/** Classifies how far an IP address reaches: https://www.iana.org/assignments/iana-ipv4-special-registry, and the same for IPv6. */

import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';

/**
 * `public`: routed on the Internet. `private`: of a site (RFC 1918, RFC 6598, RFC 4193). `local`: this machine, its link (the metadata
 * services of clouds are there), multicast, and all that nothing can be connected to.
 */
export type AddressScope = 'public' | 'private' | 'local';

/** From the one that fewest addresses are of, as far as what may be opened goes. */
const ORDER: readonly AddressScope[] = ['public', 'private', 'local'];

/** Ranges for private use: RFC 1918, and unique local addresses (RFC 4193). */
export const PRIVATE_RANGES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'] as const;
/** And those of carriers (RFC 6598). */
const PRIVATE = listOf([...PRIVATE_RANGES, '100.64.0.0/10']);
const PUBLIC_IPV6 = listOf(['2000::/3']);
const LOCAL = listOf([
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  // Documentation, and tunnels (6to4, Teredo) that lead to any IPv4 address.
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
]);

/** The scope of an address as text; of what is no address `local`. A mapped or translated IPv4 address counts as that. */
export function addressScope(address: string): AddressScope {
  const own = canonicalAddress(address);
  if (isIP(own) === 0) return 'local';
  const family = isIPv4(own) ? 'ipv4' : 'ipv6';
  if (LOCAL.check(own, family)) return 'local';
  if (PRIVATE.check(own, family)) return 'private';
  return family === 'ipv4' || PUBLIC_IPV6.check(own, family) ? 'public' : 'local';
}

/** True if `scope` is among the addresses that `allowed` stands for: `private` for public ones too, `local` for all. */
export function includesScope(allowed: AddressScope, scope: AddressScope): boolean {
  return ORDER.indexOf(scope) <= ORDER.indexOf(allowed);
}

/** The widest of some scopes; undefined: there are none. */
export function widestScope(scopes: readonly AddressScope[]): AddressScope | undefined {
  return ORDER.findLast((scope) => scopes.includes(scope));
}

/** Returns the address without its zone; of an IPv4 address that is mapped into IPv6, or translated (NAT64), the IPv4 address. */
export function canonicalAddress(address: string): string {
  const [plain = ''] = address.split('%');
  return (isIP(plain) === 6 && embeddedIPv4(plain)) || plain;
}

/** The IPv4 address in the IPv6 addresses `::ffff:a.b.c.d` and `64:ff9b::a.b.c.d` (NAT64, RFC 6052). */
function embeddedIPv4(address: string): string | undefined {
  const { address: canonical } = new SocketAddress({ address, family: 'ipv6' });
  const [, high = '', low = ''] =
    /^(?:::ffff:|64:ff9b::)([\da-f]{1,4}):([\da-f]{1,4})$/.exec(canonical) ?? [];
  if (low === '') return /^(?:::ffff:|64:ff9b::)(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1];
  const bytes = [high, low].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
  return bytes.join('.');
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/');
    list.addSubnet(network, Number(prefix), isIPv4(network) ? 'ipv4' : 'ipv6');
  }
  return list;
}
