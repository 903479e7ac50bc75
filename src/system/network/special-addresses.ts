/** Lists the IP addresses that lead to no other site: https://www.iana.org/assignments/iana-ipv4-special-registry, and the same for IPv6. */

export interface SpecialRange {
  readonly cidr: string;
  /** For messages: `a loopback address`. */
  readonly what: string;
}

/** Ranges for documentation and measurements. A site may use them for its own servers all the same. */
const UNROUTED: readonly SpecialRange[] = [
  ...ranges(
    'a documentation address',
    '192.0.2.0/24',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '2001:db8::/32',
    '3fff::/20',
  ),
  ...ranges('a benchmark address', '198.18.0.0/15'),
  ...ranges('an address of a protocol', '192.88.99.0/24', '2001::/23'),
];

/** Ranges at which a manifest's server would be the controller's own machine, its link, or its cloud's metadata. */
export const RESERVED_RANGES: readonly SpecialRange[] = [
  ...ranges('an unspecified address', '0.0.0.0/8', '::/128'),
  ...ranges('a loopback address', '127.0.0.0/8', '::1/128'),
  ...ranges('a link-local address', '169.254.0.0/16', 'fe80::/10'),
  ...ranges('a multicast address', '224.0.0.0/4', 'ff00::/8'),
  ...ranges('a reserved address', '240.0.0.0/4', '192.0.0.0/24'),
  // 6to4, Teredo, and addresses of the first drafts: each may lead to any IPv4 address.
  ...ranges('an address of a tunnel', '2002::/16', '2001::/32', '::/96'),
  // Where clouds outside of link-local serve the credentials of a machine.
  ...ranges(
    'the metadata service of a cloud',
    '100.100.100.200/32',
    '168.63.129.16/32',
    'fd00:ec2::254/128',
    'fd20:ce::254/128',
  ),
];

/** All ranges that are neither of the Internet nor of a site. */
export const SPECIAL_RANGES: readonly SpecialRange[] = [...RESERVED_RANGES, ...UNROUTED];

function ranges(what: string, ...cidrs: readonly string[]): SpecialRange[] {
  return cidrs.map((cidr) => ({ cidr, what }));
}
