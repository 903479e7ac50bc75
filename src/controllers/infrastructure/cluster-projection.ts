/** Shows a LibvirtCluster as the Cluster that its reconcile knows, and puts the status into the words of the contract. Pure. */

import type { ContractCluster } from '../../api/infrastructure/contract.ts';
import {
  failureDomainsOf,
  type LibvirtCluster,
  type LibvirtClusterStatus,
} from '../../api/infrastructure/libvirt-cluster.ts';
import type { Cluster, ClusterStatus } from '../../api/kinds/cluster.ts';
import type { LibvirtClusterProviderSpec } from '../../api/kinds/cluster-provider-spec.ts';
import { API_VERSION } from '../../api/schema/group.ts';
import { type Condition, setCondition } from '../../apimachinery/conditions.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { infrastructureKey } from '../../intent/names.ts';
import { contractConditions, originalConditions, withPause } from './contract-conditions.ts';
import { isPaused } from './owners.ts';

/** Hosts, network and pool of a LibvirtCluster. */
export function clusterSpecOf({ spec }: Pick<LibvirtCluster, 'spec'>): LibvirtClusterProviderSpec {
  const { controlPlaneEndpoint: _, controlPlaneEndpointRange: __, failureDomains: ___, ...same } = spec;
  return same;
}

export function asCluster(one: LibvirtCluster, owner?: ContractCluster): Cluster {
  const network = owner?.spec.clusterNetwork;
  const { annotations, ...metadata } = one.metadata;
  return {
    apiVersion: API_VERSION,
    kind: 'Cluster',
    metadata: {
      ...metadata,
      ...infrastructureKey(keyOf(one)),
      ...withPause(annotations, isPaused(one, owner)),
    },
    spec: {
      providerSpec: clusterSpecOf(one),
      ...(network && { clusterNetwork: network }),
    } as unknown as Cluster['spec'],
    ...(one.status && { status: clusterStatus(one.status) }),
  };
}

function clusterStatus(status: LibvirtClusterStatus): ClusterStatus {
  const { initialization: _, failureDomains: __, conditions, ...same } = status;
  return { ...same, ...originalConditions(conditions) };
}

/** `now`: RFC 3339. */
export function libvirtClusterStatus(
  one: LibvirtCluster,
  written: ClusterStatus,
  owner: ContractCluster | undefined,
  now: string,
): LibvirtClusterStatus {
  const { errorReason, errorMessage, apiEndpoints: _, conditions, ...same } = written;
  const hasEndpoint = (one.spec.controlPlaneEndpoint ?? owner?.spec.controlPlaneEndpoint)?.host !== undefined;
  const wasProvisioned = one.status?.initialization?.provisioned === true;
  const isProvisioned = wasProvisioned || (written.phase === 'Provisioned' && hasEndpoint);
  const failureDomains = failureDomainsOf(one.spec).map(({ name, controlPlane }) => ({ name, controlPlane }));
  const isWaiting = written.phase === 'Provisioned' && !hasEndpoint && !wasProvisioned;
  return {
    ...same,
    ...(isProvisioned && { initialization: { provisioned: true } }),
    ...(failureDomains.length > 0 && { failureDomains }),
    conditions: contractConditions(
      {
        conditions: isWaiting ? withoutEndpoint(one, conditions, now) : conditions,
        errorReason,
        errorMessage,
        before: one.status?.conditions,
      },
      { paused: isPaused(one, owner), generation: one.metadata.generation },
      now,
    ),
  };
}

/** With a Ready that is False for as long as it was. */
function withoutEndpoint(
  { status }: LibvirtCluster,
  conditions: ClusterStatus['conditions'] = [],
  now: string,
): Condition[] {
  const before = (status?.conditions ?? []).filter(({ type }) => type === 'Ready');
  const others = conditions.filter(({ type }) => type !== 'Ready');
  return setCondition([...others, ...before], WAITING_FOR_ENDPOINT, now);
}

const WAITING_FOR_ENDPOINT = {
  type: 'Ready',
  status: 'False',
  reason: 'WaitingForControlPlaneEndpoint',
  message:
    'neither spec.controlPlaneEndpoint of the LibvirtCluster nor that of its Cluster is set; set one of them to where the API server will answer, ' +
    'or spec.controlPlaneEndpointRange to have a free address chosen',
} as const;
