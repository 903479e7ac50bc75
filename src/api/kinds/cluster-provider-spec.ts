/** LibvirtClusterProviderSpec: the hosts of a Cluster, and what its machines share on them. */

import { z } from 'zod';
import { CONTROLS, cidr, dnsLabel, libvirtName, libvirtText, libvirtURI, text } from '../schema/field.ts';
import { ACCEPTED_API_VERSIONS, GROUP, VERSION } from '../schema/group.ts';
import { type Rule, withRules } from '../schema/rule.ts';
import { clusterSshFields } from '../schema/ssh-access.ts';

const NetworkSchema = z.lazy(() =>
  withRules(
    z.strictObject({
      name: libvirtName()
        .max(50)
        .describe('Name of the network in libvirt, for example fujisan. Without a mode it must exist.'),
      mode: z
        .enum(['nat', 'none', 'route', 'open', 'bridge'])
        .optional()
        .describe(
          'If set, the network is created, and deleted with the cluster. nat: to the outside by address translation; none: isolated; ' +
            'route: routed, with firewall rules; open: routed, without; bridge: onto an existing bridge. Several Clusters may manage ' +
            'one network if they give the same values; otherwise the Cluster that created it manages it.',
        ),
      addresses: z
        .array(cidr('10.17.3.0/24'))
        .max(2)
        .optional()
        .describe('Networks in CIDR notation, one IPv4, one IPv6 or both, for example [10.17.3.0/24].'),
      bridge: libvirtName()
        .max(15)
        .optional()
        .describe(
          'Mode bridge: the existing bridge, for example br0. Other modes: name of the bridge that is created.',
        ),
      domain: text(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, 'a DNS domain, for example fujisan.local')
        .optional()
        .describe('DNS domain of the network, for example fujisan.local.'),
      dhcp: z.boolean().optional().describe('Give out addresses by DHCP. Default: true.'),
      mtu: z
        .int()
        .min(576)
        .max(65_535)
        .optional()
        .describe("Largest packet in bytes, for example 9000. Default: libvirt's."),
      autostart: z.boolean().optional().describe('Start the network when its host starts. Default: true.'),
    }),
    [
      {
        fields: ['mode', 'addresses', 'bridge', 'domain', 'dhcp', 'mtu', 'autostart'],
        message: 'without a mode the network must exist, and an existing network is not changed',
        fix: 'add mode (for example nat) to have the network created, or give only its name',
        cel:
          'has(self.mode) || !(has(self.addresses) || has(self.bridge) || has(self.domain) || has(self.dhcp) || has(self.mtu) || ' +
          'has(self.autostart))',
        check: ({ name: _, mode, ...made }) =>
          mode !== undefined || Object.values(made).every((value) => value === undefined),
      },
      {
        fields: ['addresses', 'mode'],
        message: 'a managed network needs addresses, except in mode bridge, which has none of its own',
        fix: 'give addresses (for example [10.17.3.0/24]) for nat, none, route and open; give none for bridge',
        cel: "!has(self.mode) || (self.mode == 'bridge' ? !has(self.addresses) : has(self.addresses) && self.addresses.size() > 0)",
        check: ({ mode, addresses = [] }) =>
          mode === undefined || (mode === 'bridge') === (addresses.length === 0),
      },
      {
        fields: ['bridge', 'mode'],
        message: 'mode bridge needs the name of an existing bridge',
        fix: 'give bridge, for example br0',
        cel: "!(has(self.mode) && self.mode == 'bridge') || has(self.bridge)",
        check: ({ mode, bridge }) => mode !== 'bridge' || bridge !== undefined,
      },
      {
        fields: ['addresses'],
        message: 'a network has at most one IPv4 and one IPv6 network',
        fix: 'leave one of the two out',
        cel: "!has(self.addresses) || self.addresses.size() < 2 || self.addresses[0].contains(':') != self.addresses[1].contains(':')",
        check: ({ addresses = [] }) => {
          const [first, second] = addresses;
          return first === undefined || second === undefined || first.includes(':') !== second.includes(':');
        },
      },
    ],
  ),
);

const PoolSchema = z.lazy(() =>
  z.strictObject({
    name: libvirtName().describe(
      'Name of the pool in libvirt, for example default. Without a path it must exist.',
    ),
    // The provider writes the path of an Ignition volume into an option of QEMU, where a comma begins another option.
    path: libvirtText(
      new RegExp(String.raw`^\/[^,${CONTROLS}]*$`),
      'an absolute path without commas, for example /var/lib/libvirt/fujisan',
      4096,
    )
      .optional()
      .describe('If set, the pool is created in this directory of the host, and deleted with the cluster.'),
  }),
);

/** Times what a host has: a ratio. Beyond 16 it would be a slip of the pen. */
const ratio = () => z.number().min(0.1).max(16);
/** More than any host has; keeps sums of them whole numbers. */
const MOST = 2 ** 31 - 1;

const ReservedSchema = z.lazy(() =>
  z.strictObject({
    memoryMiB: z
      .int()
      .min(0)
      .max(MOST)
      .optional()
      .describe('Memory in MiB that new machines leave to the host, for example 4096.'),
    vcpu: z
      .int()
      .min(0)
      .max(MOST)
      .optional()
      .describe('Logical processors that new machines leave to the host, for example 2.'),
  }),
);

const OvercommitSchema = z.lazy(() =>
  z.strictObject({
    memory: ratio()
      .optional()
      .describe(
        'How much memory machines may have together, times that of the host, for example 1.5. Above 1, the free memory of the host is not asked. Default: 1, or no limit with allowOvercommit.',
      ),
    vcpu: ratio()
      .optional()
      .describe(
        'How many virtual CPUs machines may have together, times the logical processors of the host, for example 4. Default: no limit, or 1 where reserved.vcpu is given.',
      ),
  }),
);

const HostSchema = z.lazy(() =>
  z.strictObject({
    name: dnsLabel().describe('Name by which machines choose the host, for example rack1.'),
    uri: libvirtURI().describe('libvirt URI of the host, for example qemu+ssh://root@rack1/system.'),
    network: NetworkSchema.optional().describe(
      "Network of the machines on this host. Default: the cluster's.",
    ),
    pool: PoolSchema.optional().describe("Pool of the machines on this host. Default: the cluster's."),
    failureDomain: dnsLabel()
      .optional()
      .describe('Machines are spread over failure domains first, for example zone-a.'),
    unschedulable: z
      .boolean()
      .optional()
      .describe(
        'If true, no new machine is placed on the host. Those that are there stay, and are repaired.',
      ),
    reserved: ReservedSchema.optional().describe(
      'What new machines leave to the host itself. Machines that are there stay.',
    ),
    overcommit: OvercommitSchema.optional().describe(
      'How much more than it has machines may have of the host.',
    ),
  }),
);

export const ClusterFields = z.strictObject({
  apiVersion: z
    .enum([...ACCEPTED_API_VERSIONS, `libvirt.${GROUP}/${VERSION}`])
    .optional()
    .describe('Accepted for compatibility with the original API; has no effect.'),
  kind: z.literal('LibvirtClusterProviderSpec').optional().describe('Accepted; has no effect.'),
  uri: libvirtURI()
    .optional()
    .describe('libvirt URI of the only host, for example qemu:///system. Default: --libvirt-uri.'),
  network: NetworkSchema.optional().describe(
    'Network of the machines. Default: the existing network `default`.',
  ),
  pool: PoolSchema.optional().describe('Pool for volumes. Default: the existing pool `default`.'),
  hosts: z
    .array(HostSchema)
    .min(1)
    .max(64)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .optional()
    .describe('Hosts of the cluster, instead of uri. A machine that names none is placed by free memory.'),
  allowOvercommit: z
    .boolean()
    .default(false)
    .describe(
      'Place machines on a host even if their total memory exceeds that of the host. A host with reserved.memoryMiB or overcommit.memory keeps to these.',
    ),
  ...clusterSshFields(),
});

export const CLUSTER_RULES: readonly Rule<z.output<typeof ClusterFields>>[] = [
  {
    fields: ['hosts', 'uri'],
    message: 'both say where machines run',
    fix: 'give uri for one host, or hosts for several',
    cel: '!(has(self.uri) && has(self.hosts))',
    check: ({ uri, hosts }) => uri === undefined || hosts === undefined,
  },
  {
    fields: ['hosts'],
    message: 'two hosts have the same name',
    fix: 'give each host a name of its own',
    cel: '!has(self.hosts) || self.hosts.all(one, self.hosts.exists_one(other, other.name == one.name))',
    check: ({ hosts = [] }) => new Set(hosts.map(({ name }) => name)).size === hosts.length,
  },
  {
    fields: ['hosts'],
    message: 'two hosts have the same URI, so they are one',
    fix: 'list each host once',
    cel: '!has(self.hosts) || self.hosts.all(one, self.hosts.exists_one(other, other.uri == one.uri))',
    check: ({ hosts = [] }) => new Set(hosts.map(({ uri }) => uri)).size === hosts.length,
  },
];

export const LibvirtClusterProviderSpecSchema = withRules(ClusterFields, CLUSTER_RULES);

/** With defaults, as `clusterProviderSpec` returns it. */
export type LibvirtClusterProviderSpec = z.output<typeof LibvirtClusterProviderSpecSchema>;

/** What the operator of a host keeps back from machines, or promises beyond what it has. */
export type HostLimits = Pick<z.output<typeof HostSchema>, 'unschedulable' | 'reserved' | 'overcommit'>;

/** A network of a host: with a `mode` it is ours to make, without one it must exist. */
export type ClusterNetwork = z.output<typeof NetworkSchema>;

/** A pool of a host: with a `path` it is ours to make, without one it must exist. */
export type ClusterPool = z.output<typeof PoolSchema>;
