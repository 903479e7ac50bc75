/** A network interface of a LibvirtMachine: that of a Machine, or one whose addresses are claimed from pools of an IPAM provider. */

import { z } from 'zod';
import { INTERFACE_RULES, InterfaceFields, NAMESERVERS_RULE } from '../kinds/machine-interface.ts';
import { DNS_SUBDOMAIN, text } from '../schema/field.ts';
import { type Rule, withRules } from '../schema/rule.ts';

const PoolReferenceSchema = z.strictObject({
  apiGroup: text(DNS_SUBDOMAIN, 'an API group, for example ipam.cluster.x-k8s.io', 253).describe(
    'API group of the pool, for example ipam.cluster.x-k8s.io.',
  ),
  kind: text(
    /^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/,
    'a kind of pools, for example InClusterIPPool',
    63,
  ).describe('Kind of the pool, for example InClusterIPPool.'),
  name: text(DNS_SUBDOMAIN, 'the name of a pool, for example rack1', 253).describe(
    'Name of the pool. One that belongs to a namespace is in that of the machine.',
  ),
});

export type PoolReference = z.output<typeof PoolReferenceSchema>;

const Fields = InterfaceFields.extend({
  addressesFromPools: z
    .array(PoolReferenceSchema)
    .min(1)
    .max(8)
    .optional()
    .describe(
      'Pools of an IPAM provider of Cluster API, each of which gives the interface one address. Address, prefix and gateway are written ' +
        'into the network configuration of the guest by cloud-init. The machine is made when all addresses are granted, and keeps them ' +
        'until it is gone. For IPv4 and IPv6 each, the first gateway among all interfaces becomes the default route.',
    ),
});

type PoolInterface = z.output<typeof Fields>;

const RULES: readonly Rule<PoolInterface>[] = [
  {
    fields: ['addressesFromPools', 'addresses', 'addressing', 'gateway'],
    message: 'the pools give the addresses and the gateway of this interface',
    fix: 'leave out addresses, addressing and gateway; or leave out addressesFromPools',
    cel: '!has(self.addressesFromPools) || !(has(self.addresses) || has(self.addressing) || has(self.gateway))',
    check: ({ addressesFromPools, addresses, addressing, gateway }) =>
      addressesFromPools === undefined ||
      (addresses === undefined && addressing === undefined && gateway === undefined),
  },
  {
    ...(NAMESERVERS_RULE as unknown as Rule<PoolInterface>),
    fields: ['nameservers', 'addresses', 'addressesFromPools'],
    fix: 'give addresses with their prefix, for example [10.17.3.10/24], or addressesFromPools; DHCP gives out name servers of its own',
    cel: `has(self.addressesFromPools) || ${NAMESERVERS_RULE.cel}`,
    check: (nic) => nic.addressesFromPools !== undefined || NAMESERVERS_RULE.check(nic),
  },
];

export const PoolInterfaceSchema = withRules(Fields, [
  ...(INTERFACE_RULES as unknown as readonly Rule<PoolInterface>[]),
  ...RULES,
]);

interface WithInterfaces {
  readonly networkConfig?: string | undefined;
  readonly interfaces?: readonly PoolInterface[] | undefined;
}

export const POOL_MACHINE_RULE: Rule<WithInterfaces> = {
  fields: ['networkConfig', 'interfaces'],
  message: 'networkConfig and addressesFromPools both configure the network of the guest',
  fix: 'leave out one of them',
  cel: '!has(self.networkConfig) || !has(self.interfaces) || self.interfaces.all(one, !has(one.addressesFromPools))',
  check: ({ networkConfig, interfaces = [] }) =>
    networkConfig === undefined ||
    interfaces.every(({ addressesFromPools }) => addressesFromPools === undefined),
};
