/** LibvirtCluster: the hosts of a Cluster of the current Cluster API and what its machines share there; and its template. */

import { z } from 'zod';
import type { KubeObject, ObjectMeta } from '../../apimachinery/object.ts';
import { ClusterStatusSchema } from '../kinds/cluster.ts';
import { CLUSTER_RULES, ClusterFields } from '../kinds/cluster-provider-spec.ts';
import { AGE_COLUMN, type ApiKind } from '../kinds/kind.ts';
import { readyColumn, readyReasonColumn } from '../kinds/ready-columns.ts';
import { dnsLabel } from '../schema/field.ts';
import { objectMetadata, PassedMetadataSchema } from '../schema/metadata.ts';
import { type Rule, withRules } from '../schema/rule.ts';
import { EndpointRangeSchema, RANGE_RULES, RANGE_TRANSITION_RULES } from './endpoint-range.ts';
import { INFRASTRUCTURE_API_VERSION, INFRASTRUCTURE_GROUP, INFRASTRUCTURE_VERSION } from './group.ts';

const Fields = ClusterFields.omit({ apiVersion: true, kind: true }).extend({
  controlPlaneEndpoint: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .max(512)
        .describe('Name or address at which the API server of the cluster answers, for example 10.17.3.10.'),
      port: z.int().min(1).max(65_535).describe('TCP port, for example 6443.'),
    })
    .optional()
    .describe(
      'Where the API server of the cluster answers. Given here or in the Cluster, or chosen out of controlPlaneEndpointRange; nothing here ' +
        'makes it answer.',
    ),
  controlPlaneEndpointRange: EndpointRangeSchema.optional().describe(
    'Addresses of the network, one of which becomes the controlPlaneEndpoint: one that neither a machine nor another cluster has. The ' +
      'network reserves it until the LibvirtCluster is deleted. With a controlPlaneEndpoint as well, that address is reserved.',
  ),
  failureDomains: z
    .array(
      z.strictObject({
        name: dnsLabel().describe('failureDomain of hosts, or the name of a host that has none.'),
        controlPlane: z
          .boolean()
          .describe('Whether machines of the control plane may be placed there. Default: true.'),
      }),
    )
    .max(64)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .optional()
    .describe('What is said of failure domains beyond their hosts.'),
});

type Spec = z.output<typeof Fields>;

/**
 * Lists the failure domains of the hosts: the group of hosts, or each host by itself. One whose hosts all take no new machine gets none of
 * the control plane.
 */
export function failureDomainsOf({ hosts = [], failureDomains = [] }: Spec): {
  readonly name: string;
  readonly controlPlane: boolean;
}[] {
  const domainOf = (host: (typeof hosts)[number]) => host.failureDomain ?? host.name;
  const names = [...new Set(hosts.map(domainOf))].sort();
  const open = new Set(hosts.filter(({ unschedulable }) => !unschedulable).map(domainOf));
  const said = new Map(failureDomains.map(({ name, controlPlane }) => [name, controlPlane]));
  return names.map((name) => ({ name, controlPlane: (said.get(name) ?? true) && open.has(name) }));
}

const RULES: readonly Rule<Spec>[] = [
  {
    fields: ['failureDomains', 'hosts'],
    message: 'a failure domain is named that no host is in',
    fix: 'use the failureDomain of a host, or the name of a host that has none',
    cel:
      '!has(self.failureDomains) || self.failureDomains.all(one, has(self.hosts) && self.hosts.exists(host, ' +
      'has(host.failureDomain) ? host.failureDomain == one.name : host.name == one.name))',
    check: (spec) => {
      const known = failureDomainsOf(spec).map(({ name }) => name);
      return (spec.failureDomains ?? []).every(({ name }) => known.includes(name));
    },
  },
];

const STATIC_RULES: readonly Rule<Spec>[] = [
  ...(CLUSTER_RULES as unknown as readonly Rule<Spec>[]),
  ...RULES,
  ...(RANGE_RULES as unknown as readonly Rule<Spec>[]),
];

/** Without rules about changes: see `LibvirtMachineSpecSchema`. */
const TemplateSpecSchema = withRules(Fields, STATIC_RULES);

export const LibvirtClusterSpecSchema = withRules(Fields, [
  ...STATIC_RULES,
  ...(RANGE_TRANSITION_RULES as unknown as readonly Rule<Spec>[]),
]);

const { phase, conditions, observedGeneration, providerStatus } = ClusterStatusSchema.shape;

export const LibvirtClusterStatusSchema = z.strictObject({
  initialization: z
    .strictObject({
      provisioned: z
        .boolean()
        .optional()
        .describe('True once networks and pools of the hosts were there; stays true.'),
    })
    .optional()
    .describe('What the current Cluster API waits for before machines are made.'),
  failureDomains: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(256).describe('Name of the failure domain.'),
        controlPlane: z
          .boolean()
          .optional()
          .describe('Whether machines of the control plane may be placed there.'),
        attributes: z.record(z.string(), z.string()).optional().describe('hosts: names of its hosts.'),
      }),
    )
    .min(1)
    .max(100)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .optional()
    .describe('Where machines can be placed: each host, or a group of hosts.'),
  conditions,
  phase,
  observedGeneration,
  providerStatus,
});

export type LibvirtClusterSpec = Spec;
export type LibvirtClusterStatus = z.output<typeof LibvirtClusterStatusSchema>;

export interface LibvirtCluster extends KubeObject {
  metadata: ObjectMeta;
  spec: LibvirtClusterSpec;
  status?: LibvirtClusterStatus;
}

export const LibvirtClusterKind: ApiKind<LibvirtCluster> = {
  group: INFRASTRUCTURE_GROUP,
  version: INFRASTRUCTURE_VERSION,
  kind: 'LibvirtCluster',
  plural: 'libvirtclusters',
  singular: 'libvirtcluster',
  shortNames: [],
  namespaced: true,
  schema: z
    .strictObject({
      apiVersion: z.literal(INFRASTRUCTURE_API_VERSION),
      kind: z.literal('LibvirtCluster'),
      metadata: objectMetadata(63),
      spec: LibvirtClusterSpecSchema.describe('Hosts, network and pool of the machines.'),
      status: LibvirtClusterStatusSchema.optional().describe(
        'Observed state of the hosts, written by the controller.',
      ),
    })
    .describe('A LibvirtCluster is what the machines of a Cluster share: hosts, networks, pools.'),
  columns: [
    {
      name: 'Cluster',
      type: 'string',
      jsonPath: String.raw`.metadata.labels['cluster\.x-k8s\.io/cluster-name']`,
      description: 'Cluster that it belongs to.',
    },
    {
      name: 'Provisioned',
      type: 'boolean',
      jsonPath: '.status.initialization.provisioned',
      description: 'True once its hosts were ready.',
    },
    readyColumn('True if its hosts are ready.'),
    readyReasonColumn,
    {
      name: 'Endpoint',
      type: 'string',
      jsonPath: '.spec.controlPlaneEndpoint.host',
      description: 'Host of the API endpoint.',
    },
    AGE_COLUMN,
  ],
};

export const LibvirtClusterTemplateSpecSchema = z.strictObject({
  template: z
    .strictObject({
      metadata: PassedMetadataSchema.optional().describe('Labels and annotations of the clusters.'),
      spec: TemplateSpecSchema.describe('Spec of the clusters.'),
    })
    .describe('What clusters are cloned from.'),
});

export interface LibvirtClusterTemplate extends KubeObject {
  metadata: ObjectMeta;
  spec: z.output<typeof LibvirtClusterTemplateSpecSchema>;
}

export const LibvirtClusterTemplateKind: ApiKind<LibvirtClusterTemplate> = {
  group: INFRASTRUCTURE_GROUP,
  version: INFRASTRUCTURE_VERSION,
  kind: 'LibvirtClusterTemplate',
  plural: 'libvirtclustertemplates',
  singular: 'libvirtclustertemplate',
  shortNames: [],
  namespaced: true,
  schema: z
    .strictObject({
      apiVersion: z.literal(INFRASTRUCTURE_API_VERSION),
      kind: z.literal('LibvirtClusterTemplate'),
      metadata: objectMetadata(253),
      spec: LibvirtClusterTemplateSpecSchema.describe('What clusters are cloned from; it does not change.'),
    })
    .describe('A LibvirtClusterTemplate is what LibvirtClusters are cloned from.'),
  columns: [AGE_COLUMN],
};
