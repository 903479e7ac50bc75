/** Finds the Machines that a change of another object concerns, and says whose turn a Machine takes. */

import type { Cluster } from '../../api/kinds/cluster.ts';
import { clusterNameOf, type Machine } from '../../api/kinds/machine.ts';
import { findProviderSpec } from '../../api/schema/provider-spec.ts';
import { isConditionTrue } from '../../apimachinery/conditions.ts';
import { isMapping } from '../../apimachinery/mapping.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { isControlledBy } from '../../apimachinery/owner-reference.ts';
import { domainName } from '../../intent/names.ts';
import type { Change, Informer } from '../../kube/runtime/informer.ts';
import { hostIdentity } from '../../libvirt/host-uri.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { Flow } from '../../system/fair-queue.ts';
import { hostIds, type MachineView } from '../shared/machine-view.ts';
import { desiredStateChanged } from '../shared/predicates.ts';

/** What is looked up in the informer of Machines. */
export type Machines = Pick<Informer<Machine>, 'addIndex' | 'byIndex' | 'list'>;

/** Indexes Machines by what they refer to, for the functions below. */
export function indexMachines(machines: Machines): void {
  machines.addIndex('cluster', clusterKeys);
  machines.addIndex('secret', namedSecretKeys);
  machines.addIndex('host', hostIds);
}

/** Machines of no named Cluster belong to whichever is alone in their namespace. */
function clusterKeys({ metadata, spec }: Machine): string[] {
  return [`${metadata.namespace}/${clusterNameOf({ metadata, spec }) ?? ''}`];
}

/** Index `secret` of what names a bootstrap Secret: Machines of either API. */
export function secretKeys({
  metadata,
  spec,
}: Pick<KubeObject, 'metadata'> & { readonly spec: Pick<Machine['spec'], 'bootstrap'> }): string[] {
  const name = spec.bootstrap?.dataSecretName;
  return name === undefined ? [] : [`${metadata.namespace}/${name}`];
}

/** Index `secret` of Machines of the original API: with the Secret of public keys. */
function namedSecretKeys(machine: Machine): string[] {
  const { spec } = findProviderSpec(machine.spec.providerSpec);
  const name = isMapping(spec) ? spec['sshAuthorizedKeysSecretName'] : undefined;
  return [
    ...secretKeys(machine),
    ...(typeof name === 'string' ? [`${machine.metadata.namespace}/${name}`] : []),
  ];
}

export function machinesOfCluster(machines: Machines, { metadata }: KubeObject): ObjectKey[] {
  return [metadata.name, ''].flatMap((name) =>
    machines.byIndex('cluster', `${metadata.namespace}/${name}`).map(keyOf),
  );
}

export function machinesOfSecret(machines: Machines, { metadata }: KubeObject): ObjectKey[] {
  return machines.byIndex('secret', `${metadata.namespace}/${metadata.name}`).map(keyOf);
}

export function machinesOfSet(machines: Machines, set: KubeObject): ObjectKey[] {
  return machines
    .list(set.metadata.namespace)
    .filter((machine) => isControlledBy(machine, set))
    .map(keyOf);
}

/** Names of the domains of all Machines that were put on the host. */
export function domainsOn(machines: Pick<MachineView, 'onHost'>, uri: AllowedHost): string[] {
  return machines.onHost(hostIdentity(uri)).map((machine) => domainName(keyOf(machine)));
}

/** `default.kube-cp`: see `domainName`. */
export function machineOfDomain(domain: string): ObjectKey {
  const dot = domain.indexOf('.');
  return { namespace: domain.slice(0, Math.max(0, dot)), name: domain.slice(dot + 1) };
}

/** True for what is asked of a Cluster, and when its hosts have become ready: its Machines may wait for that. */
export function clusterChanged(change: Change<Cluster>): boolean {
  return desiredStateChanged(change) || hasBecomeReady(change);
}

export function hasBecomeReady({ type, object, before }: Change<Cluster>): boolean {
  const isReady = (cluster: Cluster | undefined) => isConditionTrue(cluster, 'Ready');
  return type === 'MODIFIED' && isReady(object) && !isReady(before);
}

/**
 * Returns the flow of a Machine: namespaces take turns, then owners, hosts, and deletions with the rest. So what waits for a host that does
 * not answer holds up nothing on another.
 */
export function flowOfMachine({ metadata, status }: Machine): Flow {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller)?.uid ?? '';
  const host = status?.providerStatus?.pinned?.uri ?? '';
  return {
    group: metadata.namespace ?? '',
    name: `${metadata.deletionTimestamp ? 'delete' : 'make'} ${owner} ${host}`,
  };
}
