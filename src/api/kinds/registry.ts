/** The kinds that a manifest may hold. */

import { API_VERSION, canonicalApiVersion } from '../schema/group.ts';
import { ClusterKind } from './cluster.ts';
import type { ApiKind } from './kind.ts';
import { MachineKind } from './machine.ts';
import { MachineDeploymentKind } from './machine-deployment.ts';
import { MachineHealthCheckKind } from './machine-health-check.ts';
import { MachineSetKind } from './machine-set.ts';
import { isCalled } from './names.ts';
import { SecretKind } from './secret.ts';

/** The kinds of `cluster-api.k8s.io`, which have CRDs. */
export const CLUSTER_API_KINDS: readonly ApiKind[] = [
  ClusterKind,
  MachineKind,
  MachineSetKind,
  MachineDeploymentKind,
  MachineHealthCheckKind,
];

/** In the order in which they are applied: what others refer to comes first. */
export const KINDS: readonly ApiKind[] = [SecretKind, ...CLUSTER_API_KINDS];

/** The kind of an object; undefined if it is none of ours. Older spellings of the group are understood. */
export function findKind(apiVersion: string, kind: string): ApiKind | undefined {
  const canonical = canonicalApiVersion(apiVersion);
  return KINDS.find((known) => known.kind === kind && apiVersionOf(known) === canonical);
}

/** The kind that a person means in a command. */
export function findKindByName(name: string): ApiKind | undefined {
  return KINDS.find((kind) => isCalled(kind, name));
}

/** `cluster-api.k8s.io/v1alpha1`, or `v1` for the core group. */
export function apiVersionOf({ group, version }: Pick<ApiKind, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** For messages: the apiVersions and kinds that are accepted. */
export const ACCEPTED_KINDS = `${API_VERSION} ${CLUSTER_API_KINDS.map(({ kind }) => kind).join(', ')}, and v1 Secret, List`;
