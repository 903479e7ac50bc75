/** Cluster: machines that belong together, the hosts they run on and the networks their pods and services use. */

import { z } from 'zod';
import type { KubeObject, ObjectMeta } from '../../apimachinery/object.ts';
import { ConditionsSchema } from '../schema/condition.ts';
import { cidr, DNS_SUBDOMAIN, text, timestamp } from '../schema/field.ts';
import { API_VERSION, GROUP, VERSION } from '../schema/group.ts';
import { objectMetadata } from '../schema/metadata.ts';
import { providerSpecField } from '../schema/provider-spec.ts';
import {
  type LibvirtClusterProviderSpec,
  LibvirtClusterProviderSpecSchema,
} from './cluster-provider-spec.ts';
import { readProviderSpec, type StoredSpec, storedProviderSpec } from './decode-provider-spec.ts';
import { AGE_COLUMN, type ApiKind } from './kind.ts';
import { PlanSchema } from './plan.ts';
import { readyColumn, readyReasonColumn } from './ready-columns.ts';

function networkRanges(example: string) {
  return z.strictObject({
    cidrBlocks: z
      .array(cidr(example))
      .min(1)
      .max(8)
      .describe(`Networks in CIDR notation, for example [${example}].`),
  });
}

export const ClusterSpecSchema = z.lazy(() =>
  z.strictObject({
    clusterNetwork: z
      .strictObject({
        services: networkRanges('10.96.0.0/12')
          .optional()
          .describe('Addresses of Services; ${CAPLV_SERVICE_CIDR} in user data.'),
        pods: networkRanges('192.168.0.0/16')
          .optional()
          .describe('Addresses of Pods; ${CAPLV_POD_CIDR} in user data.'),
        serviceDomain: text(DNS_SUBDOMAIN, 'a DNS domain, for example cluster.local')
          .optional()
          .describe('Domain of Services; ${CAPLV_SERVICE_DOMAIN} in user data, for example cluster.local.'),
      })
      .optional()
      .describe(
        'Networks inside the Kubernetes cluster. CAPLV does not create them; user data can name them.',
      ),
    providerSpec: providerSpecField(LibvirtClusterProviderSpecSchema)
      .optional()
      .describe('Hosts, network and pool: a LibvirtClusterProviderSpec, inline or under `value`.'),
  }),
);

export type ClusterSpec = z.output<typeof ClusterSpecSchema>;

export const ClusterStatusSchema = z.strictObject({
  phase: z
    .enum(['Pending', 'Provisioning', 'Provisioned', 'Deleting', 'Failed'])
    .optional()
    .describe('Lifecycle phase of the cluster.'),
  apiEndpoints: z
    .array(
      z.strictObject({
        host: z.string().describe('Name or address of the host.'),
        port: z.int().describe('TCP port.'),
      }),
    )
    .max(16)
    .optional()
    .describe("Where the cluster's API servers answer."),
  conditions: ConditionsSchema.optional(),
  errorReason: z.string().optional().describe('Code of the error that needs a change by a person.'),
  errorMessage: z.string().optional().describe('Cause and fix of that error.'),
  observedGeneration: z.int().optional().describe('metadata.generation that this status was computed from.'),
  providerStatus: z
    .strictObject({
      hosts: z
        .array(
          z.strictObject({
            name: z.string().describe('Its name in the provider spec, else its URI.'),
            uri: z.string().describe('libvirt URI of the host.'),
            ready: z.boolean().describe('Whether its networks and pools exist.'),
            network: z.string().optional().describe('Network that the cluster created there, and owns.'),
            pool: z.string().optional().describe('Pool that the cluster created there, and owns.'),
            appliedHash: z.string().optional().describe('Hash of the host intent that was last applied.'),
            message: z.string().optional().describe('Why the host is not ready.'),
            lastUpdated: timestamp().optional().describe('When this entry last changed.'),
          }),
        )
        .max(64)
        .optional()
        .describe('One entry for each host.'),
      lastPlan: PlanSchema.optional().describe(
        'What a change would replace. The change waits until the plan is approved.',
      ),
    })
    .optional()
    .describe('Status of each host.'),
});

export type ClusterStatus = z.output<typeof ClusterStatusSchema>;

export interface Cluster extends KubeObject {
  metadata: ObjectMeta;
  spec: ClusterSpec;
  status?: ClusterStatus;
}

export const ClusterSchema = z.lazy(() =>
  z
    .strictObject({
      apiVersion: z.literal(API_VERSION),
      kind: z.literal('Cluster'),
      metadata: objectMetadata(63),
      spec: ClusterSpecSchema.describe('Which hosts, networks and pools its machines share.'),
      status: ClusterStatusSchema.optional().describe(
        'Observed state of the cluster, written by the controller.',
      ),
    })
    .describe('A Cluster describes what its machines share: hosts, networks, pools.'),
);

export const ClusterKind: ApiKind<Cluster> = {
  group: GROUP,
  version: VERSION,
  kind: 'Cluster',
  plural: 'clusters',
  singular: 'cluster',
  shortNames: ['cl'],
  namespaced: true,
  schema: ClusterSchema,
  columns: [
    {
      name: 'Phase',
      type: 'string',
      jsonPath: '.status.phase',
      description: 'Lifecycle phase of the cluster.',
    },
    readyColumn('True if its hosts are ready.'),
    readyReasonColumn,
    {
      name: 'Endpoint',
      type: 'string',
      jsonPath: '.status.apiEndpoints[0].host',
      description: 'Host of the first API endpoint.',
    },
    {
      name: 'Pods',
      type: 'string',
      jsonPath: '.spec.clusterNetwork.pods.cidrBlocks[0]',
      description: 'Addresses of Pods.',
      wide: true,
    },
    AGE_COLUMN,
  ],
};

/** Hosts, network and pool, with defaults. Throws Terminal InvalidConfiguration. */
export function clusterProviderSpec(cluster: { readonly spec: ClusterSpec }): LibvirtClusterProviderSpec {
  return readProviderSpec(LibvirtClusterProviderSpecSchema, cluster.spec.providerSpec ?? {}, [
    'spec',
    'providerSpec',
  ]);
}

/** See `storedProviderSpec`. */
export function storedClusterSpec(cluster: {
  readonly spec: ClusterSpec;
}): StoredSpec<LibvirtClusterProviderSpec> {
  return storedProviderSpec(LibvirtClusterProviderSpecSchema, cluster.spec.providerSpec ?? {});
}
