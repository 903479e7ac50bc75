/** A network interface of a machine: plugged into a network of libvirt, a bridge, or a device by macvtap. */

import { z } from 'zod';
import { isInNetwork } from '../../system/network/cidr.ts';
import { dnsLabel, interfaceAddress, ipAddress, libvirtName, text } from '../schema/field.ts';
import { type Rule, withRules } from '../schema/rule.ts';

const MAC = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/;

/** CEL. */
const HAS_PREFIX = "(has(self.addresses) && self.addresses.exists(one, one.contains('/')))";
/** CEL. */
const IS_STATIC = `((has(self.addressing) && self.addressing == 'static') || ${HAS_PREFIX})`;

export const InterfaceFields = z.strictObject({
  network: libvirtName().optional().describe('Network of libvirt to plug into, for example default.'),
  bridge: libvirtName()
    .max(15)
    .optional()
    .describe('Existing bridge of the host to plug into, for example br0.'),
  macvtap: libvirtName()
    .max(15)
    .optional()
    .describe('Device of the host on which a macvtap interface is made, for example eth0.'),
  mac: withRules(text(MAC, 'a MAC address, for example 52:54:00:12:34:56', 17), [
    {
      fields: [],
      message: 'this is a multicast address; an interface needs a unicast one',
      fix: 'make the second digit even, for example 52:54:00:12:34:56',
      cel: "self.matches('^.[02468aAcCeE]')",
      check: (mac) => /^.[02468aAcCeE]/.test(mac),
    },
  ])
    .optional()
    .describe(
      'Fixed MAC address. Default: derived from the fixed address, else from the namespace, the name and the index of the ' +
        'interface, so that a machine that is created again has the same address.',
    ),
  addresses: z
    .array(interfaceAddress())
    .max(8)
    .optional()
    .describe(
      'Fixed address: one IPv4 address that the network reserves for the machine in its DHCP server, for example [192.168.122.10]. Or up ' +
        'to eight, IPv4 or IPv6, that the guest has without DHCP: with their prefix, for example [10.17.3.10/24], cloud-init configures ' +
        'them; without it, with addressing static, the guest does so itself.',
    ),
  addressing: z
    .enum(['dhcp', 'static'])
    .optional()
    .describe(
      'static: the guest has `addresses` without DHCP, also on a bridge or macvtap; nothing is reserved, and the addresses are ' +
        'reported as soon as the machine runs. Default: static if the addresses have a prefix, else dhcp.',
    ),
  gateway: ipAddress()
    .optional()
    .describe(
      'Default gateway, for addresses with a prefix, for example 10.17.3.1. Written into the network configuration of the guest.',
    ),
  nameservers: z
    .array(ipAddress())
    .max(8)
    .optional()
    .describe(
      'DNS servers, for addresses with a prefix, for example [10.17.3.1]. Written into the network configuration of the guest.',
    ),
  hostname: dnsLabel().optional().describe("Name in the network's DNS. Default: the machine's name."),
});

type Interface = z.output<typeof InterfaceFields>;

/** True if the guest is to configure the addresses itself, and no network reserves them. */
export function isStatic({
  addressing,
  addresses = [],
}: Pick<Interface, 'addressing' | 'addresses'>): boolean {
  return addressing === 'static' || addresses.some(hasPrefix);
}

/** True for `10.17.3.10/24`, which is written into the network configuration of the guest. */
export function hasPrefix(address: string): boolean {
  return address.includes('/');
}

/** True if the guest reaches the gateway without a router. A link-local one is on every link. */
export function isOnLink(gateway: string, address: string): boolean {
  if (/^fe[89ab][0-9a-f]:/i.test(gateway)) return address.includes(':');
  return isInNetwork(gateway, address);
}

export const INTERFACE_RULES: readonly Rule<Interface>[] = [
  {
    fields: ['network', 'bridge', 'macvtap'],
    message: 'an interface plugs into one thing only',
    fix: "give one of network, bridge and macvtap, or none for the cluster's network",
    cel: '[has(self.network), has(self.bridge), has(self.macvtap)].filter(kind, kind).size() <= 1',
    check: ({ network, bridge, macvtap }) =>
      [network, bridge, macvtap].filter((kind) => kind !== undefined).length <= 1,
  },
  {
    fields: ['addresses', 'hostname', 'addressing', 'bridge', 'macvtap'],
    message:
      'fixed addresses and a hostname are given out by a network of libvirt; a bridge or macvtap has none',
    fix: 'leave them out, or give the addresses with their prefix, for example 10.17.3.10/24, or plug into a network',
    cel:
      '!(has(self.bridge) || has(self.macvtap)) || ' +
      `(!has(self.hostname) && (!has(self.addresses) || ${IS_STATIC}))`,
    check: ({ addresses, hostname, addressing, bridge, macvtap }) =>
      (bridge ?? macvtap) === undefined ||
      (hostname === undefined && (addresses === undefined || isStatic({ addressing, addresses }))),
  },
  {
    fields: ['addresses', 'addressing'],
    message: 'libvirt keeps one IPv4 address for an interface, and cannot keep an IPv6 address for a MAC',
    fix: 'give one IPv4 address; or all of them with their prefix, for example 10.17.3.10/24',
    cel: `!has(self.addresses) || ${IS_STATIC} || (self.addresses.size() <= 1 && self.addresses.all(one, !one.contains(':')))`,
    check: ({ addresses = [], addressing }) =>
      isStatic({ addressing, addresses }) ||
      (addresses.length <= 1 && addresses.every((one) => !one.includes(':'))),
  },
  {
    fields: ['addressing', 'addresses'],
    message: 'static addresses must be given',
    fix: 'list them in addresses, as networkConfig or Ignition of the guest has them',
    cel: `!${IS_STATIC} || (has(self.addresses) && self.addresses.size() > 0)`,
    check: ({ addressing, addresses = [] }) => addressing !== 'static' || addresses.length > 0,
  },
  {
    fields: ['addresses'],
    message: 'some addresses have a prefix and others have none',
    fix: 'give all of them a prefix, for example 10.17.3.10/24, to have the guest configured by its seed; or none',
    cel: `!${HAS_PREFIX} || self.addresses.all(one, one.contains('/'))`,
    check: ({ addresses = [] }) => !addresses.some(hasPrefix) || addresses.every(hasPrefix),
  },
  {
    fields: ['addressing', 'addresses'],
    message: 'an address with a prefix is configured in the guest, and no DHCP server gives it out',
    fix: 'leave out addressing, or the prefix',
    cel: `!(has(self.addressing) && self.addressing == 'dhcp') || !${HAS_PREFIX}`,
    check: ({ addressing, addresses = [] }) => addressing !== 'dhcp' || !addresses.some(hasPrefix),
  },
  {
    fields: ['gateway', 'addresses'],
    message: 'the gateway is in the network of none of the addresses, and the guest could not reach it',
    fix: 'give addresses with their prefix, for example [10.17.3.10/24] with the gateway 10.17.3.1',
    cel:
      "!has(self.gateway) || (has(self.addresses) && self.addresses.exists(one, one.contains('/') && " +
      "(self.gateway.matches('^[fF][eE][89abAB][0-9a-fA-F]:') ? one.contains(':') : isCIDR(one) && isIP(self.gateway) && " +
      'cidr(one).containsIP(self.gateway))))',
    check: ({ gateway, addresses = [] }) =>
      gateway === undefined || addresses.some((one) => hasPrefix(one) && isOnLink(gateway, one)),
  },
];

/** Of an interface whose addresses all stand in the manifest. */
export const NAMESERVERS_RULE: Rule<Interface> = {
  fields: ['nameservers', 'addresses'],
  message: 'name servers are written into the guest together with its addresses',
  fix: 'give addresses with their prefix, for example [10.17.3.10/24]; DHCP gives out name servers of its own',
  cel: `!has(self.nameservers) || ${HAS_PREFIX}`,
  check: ({ nameservers, addresses = [] }) => nameservers === undefined || addresses.some(hasPrefix),
};

export const InterfaceSchema = withRules(InterfaceFields, [...INTERFACE_RULES, NAMESERVERS_RULE]);
