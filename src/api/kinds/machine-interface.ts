/** A network interface of a machine: plugged into a network of libvirt, a bridge, or a device by macvtap. */

import { z } from 'zod';
import { dnsLabel, ipAddress, libvirtName, text } from '../schema/field.ts';
import { withRules } from '../schema/rule.ts';

const MAC = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/;

/** CEL. */
const IS_STATIC = "(has(self.addressing) && self.addressing == 'static')";

export const InterfaceSchema = withRules(
  z.strictObject({
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
      .array(ipAddress())
      .max(8)
      .optional()
      .describe(
        'Fixed address: one IPv4 address that the network reserves for the machine in its DHCP server, for example [192.168.122.10]. With ' +
          'addressing static: up to eight, IPv4 or IPv6.',
      ),
    addressing: z
      .enum(['dhcp', 'static'])
      .optional()
      .describe(
        'static: the guest configures `addresses` itself (networkConfig, Ignition), also on a bridge or macvtap; nothing is ' +
          'reserved, and the addresses are reported as soon as the machine runs. Default: dhcp.',
      ),
    hostname: dnsLabel().optional().describe("Name in the network's DNS. Default: the machine's name."),
  }),
  [
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
      fix: 'leave them out, or say addressing: static and configure the addresses in networkConfig, or plug into a network',
      cel:
        '!(has(self.bridge) || has(self.macvtap)) || ' +
        `(!has(self.hostname) && (!has(self.addresses) || ${IS_STATIC}))`,
      check: ({ addresses, hostname, addressing, bridge, macvtap }) =>
        (bridge ?? macvtap) === undefined ||
        (hostname === undefined && (addresses === undefined || addressing === 'static')),
    },
    {
      fields: ['addresses', 'addressing'],
      message: 'libvirt keeps one IPv4 address for an interface, and cannot keep an IPv6 address for a MAC',
      fix: 'give one IPv4 address; or all of them with addressing: static, and configure them in networkConfig',
      cel: `!has(self.addresses) || ${IS_STATIC} || (self.addresses.size() <= 1 && self.addresses.all(one, !one.contains(':')))`,
      check: ({ addresses = [], addressing }) =>
        addressing === 'static' || (addresses.length <= 1 && addresses.every((one) => !one.includes(':'))),
    },
    {
      fields: ['addressing', 'addresses'],
      message: 'static addresses must be given',
      fix: 'list them in addresses, as networkConfig or Ignition of the guest has them',
      cel: `!${IS_STATIC} || (has(self.addresses) && self.addresses.size() > 0)`,
      check: ({ addressing, addresses = [] }) => addressing !== 'static' || addresses.length > 0,
    },
  ],
);
