/** A range of addresses out of which a LibvirtCluster is given one for its control plane. */

import { z } from 'zod';
import { isInNetwork } from '../../system/network/cidr.ts';
import { text } from '../schema/field.ts';
import { type Rule, withRules } from '../schema/rule.ts';

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';

const address = (example: string) =>
  text(
    new RegExp(String.raw`^${OCTET}\.${OCTET}\.${OCTET}\.${OCTET}$`),
    `an IPv4 address, for example ${example}`,
    15,
  );

export const EndpointRangeSchema = withRules(
  z.strictObject({
    from: address('10.17.3.200').describe('First address of the range, for example 10.17.3.200.'),
    to: address('10.17.3.219').describe(
      'Last address of the range, for example 10.17.3.219; it differs from the first in its last number alone.',
    ),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('TCP port of the API server at that address. Default: 6443.'),
  }),
  [
    {
      fields: ['to', 'from'],
      message: 'the range has to lie within 256 addresses that differ in their last number alone',
      fix: 'use addresses like 10.17.3.200 and 10.17.3.219',
      cel: "self.from.split('.')[0] == self.to.split('.')[0] && self.from.split('.')[1] == self.to.split('.')[1] && self.from.split('.')[2] == self.to.split('.')[2]",
      check: ({ from, to }) => partsOf(from).prefix === partsOf(to).prefix,
    },
    {
      fields: ['to', 'from'],
      message: 'the range ends before it begins',
      fix: 'exchange from and to',
      cel: "int(self.from.split('.')[3]) <= int(self.to.split('.')[3])",
      check: ({ from, to }) => partsOf(from).last <= partsOf(to).last,
    },
  ],
);

export type EndpointRange = z.output<typeof EndpointRangeSchema>;

interface WithRange {
  readonly controlPlaneEndpointRange?: EndpointRange | undefined;
  readonly network?: { readonly addresses?: readonly string[] | undefined } | undefined;
}

export const RANGE_RULES: readonly Rule<WithRange>[] = [
  {
    fields: ['controlPlaneEndpointRange', 'network'],
    message: 'the range lies outside of the addresses of the network',
    fix: 'use a range within network.addresses',
    cel:
      '!has(self.controlPlaneEndpointRange) || !has(self.network) || !has(self.network.addresses) || self.network.addresses.exists(one, ' +
      'cidr(one).containsIP(self.controlPlaneEndpointRange.from) && cidr(one).containsIP(self.controlPlaneEndpointRange.to))',
    check: ({ controlPlaneEndpointRange: range, network }) =>
      !range ||
      !network?.addresses ||
      network.addresses.some((one) => isInNetwork(range.from, one) && isInNetwork(range.to, one)),
  },
];

/** For LibvirtClusters, not for templates: what the API server alone can check. */
export const RANGE_TRANSITION_RULES: readonly Rule<
  WithRange & { readonly controlPlaneEndpoint?: unknown }
>[] = [
  {
    fields: ['controlPlaneEndpoint', 'controlPlaneEndpointRange'],
    message: 'spec.controlPlaneEndpoint and its range do not change once an address of the range was given',
    fix: 'make another LibvirtCluster for another address',
    cel:
      '!has(oldSelf.controlPlaneEndpoint) || !has(oldSelf.controlPlaneEndpointRange) || (has(self.controlPlaneEndpoint) && ' +
      'has(self.controlPlaneEndpointRange) && self.controlPlaneEndpoint == oldSelf.controlPlaneEndpoint && ' +
      'self.controlPlaneEndpointRange == oldSelf.controlPlaneEndpointRange)',
    check: () => true,
  },
];

/** Lists the addresses of a range, in order. */
export function addressesIn({ from, to }: Pick<EndpointRange, 'from' | 'to'>): string[] {
  const { prefix, last } = partsOf(from);
  return Array.from({ length: partsOf(to).last - last + 1 }, (_, index) => `${prefix}.${last + index}`);
}

function partsOf(ip: string): { readonly prefix: string; readonly last: number } {
  const dot = ip.lastIndexOf('.');
  return { prefix: ip.slice(0, dot), last: Number(ip.slice(dot + 1)) };
}
