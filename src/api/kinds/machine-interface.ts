/** A network interface of a machine: plugged into a network of libvirt, a bridge, or a device by macvtap. */

import { z } from 'zod';
import { dnsLabel, ipAddress, libvirtName, text } from '../schema/field.ts';
import { withRules } from '../schema/rule.ts';

const MAC = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/;

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
        'Fixed MAC address. Default: one that derives from the fixed address, else from namespace, name and place of the ' +
          'interface, so that a machine that is made again has the same.',
      ),
    addresses: z
      .array(ipAddress())
      .max(8)
      .optional()
      .describe(
        'Fixed IPv4 or IPv6 addresses, reserved in the DHCP of the network, for example [192.168.122.10].',
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
      fields: ['addresses', 'hostname', 'bridge', 'macvtap'],
      message:
        'fixed addresses and a hostname are given out by a network of libvirt; a bridge or macvtap has none',
      fix: 'leave them out and use networkConfig, or plug into a network',
      cel: '!(has(self.bridge) || has(self.macvtap)) || !(has(self.addresses) || has(self.hostname))',
      check: ({ addresses, hostname, bridge, macvtap }) =>
        (bridge ?? macvtap) === undefined || (addresses === undefined && hostname === undefined),
    },
  ],
);
