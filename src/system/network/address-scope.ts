/** Classifies how far an IP address reaches: the Internet, a site, or only this machine and its link. */

import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';
import { SPECIAL_RANGES } from './special-addresses.ts';

/**
 * `public`: routed on the Internet. `private`: of a site (RFC 1918, RFC 6598, RFC 4193). `local`: this machine, its link, the
 * metadata services of clouds, multicast, and addresses without a server.
 */
export type AddressScope = 'public' | 'private' | 'local';

/** From the one that fewest addresses are of, as far as what may be opened goes. */
const ORDER: readonly AddressScope[] = ['public', 'private', 'local'];

/** Ranges for private use: RFC 1918, and unique local addresses (RFC 4193). */
export const PRIVATE_RANGES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'] as const;
/** And those of carriers (RFC 6598). */
const PRIVATE = listOf([...PRIVATE_RANGES, '100.64.0.0/10']);
const PUBLIC_IPV6 = listOf(['2000::/3']);
const LOCAL = listOf(SPECIAL_RANGES.map(({ cidr }) => cidr));

/** Returns the scope of an address as text; `local` for other text. A mapped or translated IPv4 address counts as that. */
export function addressScope(address: string): AddressScope {
  const own = canonicalAddress(address);
  if (isIP(own) === 0) return 'local';
  const family = isIPv4(own) ? 'ipv4' : 'ipv6';
  if (LOCAL.check(own, family)) return 'local';
  if (PRIVATE.check(own, family)) return 'private';
  return family === 'ipv4' || PUBLIC_IPV6.check(own, family) ? 'public' : 'local';
}

/** Returns true if `allowed` includes `scope`: `private` includes public addresses, `local` includes all. */
export function includesScope(allowed: AddressScope, scope: AddressScope): boolean {
  return ORDER.indexOf(scope) <= ORDER.indexOf(allowed);
}

/** Returns the widest of some scopes; undefined: there are none. */
export function widestScope(scopes: readonly AddressScope[]): AddressScope | undefined {
  return ORDER.findLast((scope) => scopes.includes(scope));
}

/** Returns the address without its zone; of an IPv4 address that is mapped into IPv6, or translated (NAT64), the IPv4 address. */
export function canonicalAddress(address: string): string {
  const [plain = ''] = address.split('%');
  return (isIP(plain) === 6 && embeddedIPv4(plain)) || plain;
}

/** Returns the IPv4 address in the IPv6 addresses `::ffff:a.b.c.d` and `64:ff9b::a.b.c.d` (NAT64, RFC 6052). */
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
