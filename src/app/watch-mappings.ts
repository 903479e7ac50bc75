/** Which objects a change of another one concerns: the wiring between informers and controllers. */

import { isDeepStrictEqual } from 'node:util';
import type { Cluster } from '../api/kinds/cluster.ts';
import { clusterNameOf, type Machine } from '../api/kinds/machine.ts';
import type { MachineHealthCheck } from '../api/kinds/machine-health-check.ts';
import { selects } from '../api/kinds/machine-template.ts';
import { FINALIZER } from '../api/schema/group.ts';
import { isConditionTrue } from '../apimachinery/conditions.ts';
import type { KubeObject, ObjectKey } from '../apimachinery/object.ts';
import { keyOf } from '../apimachinery/object-key.ts';
import { isControlledBy } from '../apimachinery/owner-reference.ts';
import type { WorkloadNode } from '../controllers/node/controller.ts';
import { providerID } from '../intent/names.ts';
import type { Change, Informer } from '../kube/runtime/informer.ts';
import { hostIdentity } from '../libvirt/host-uri.ts';
import type { Flow } from '../system/fair-queue.ts';

/** Indexes of the Machine informer. Machines of no named Cluster belong to whichever is alone in their namespace. */
export const MACHINE_INDEXES = {
  cluster: ({ metadata, spec }: Machine) => [
    `${metadata.namespace}/${clusterNameOf({ metadata, spec }) ?? ''}`,
  ],
  secret: ({ metadata, spec }: Machine) =>
    spec.bootstrap?.dataSecretName === undefined
      ? []
      : [`${metadata.namespace}/${spec.bootstrap.dataSecretName}`],
  node: ({ spec, status }: Machine) => [spec.providerID ?? [], status?.nodeRef?.name ?? []].flat(),
  host: ({ status }: Machine) =>
    status?.providerStatus?.pinned ? [hostIdentity(status.providerStatus.pinned.uri)] : [],
};

export function machinesOfCluster(machines: Informer<Machine>, { metadata }: KubeObject): ObjectKey[] {
  return [metadata.name, ''].flatMap((name) =>
    machines.byIndex('cluster', `${metadata.namespace}/${name}`).map(keyOf),
  );
}

export function machinesOfSecret(machines: Informer<Machine>, { metadata }: KubeObject): ObjectKey[] {
  return machines.byIndex('secret', `${metadata.namespace}/${metadata.name}`).map(keyOf);
}

/** Names of Nodes are those of any cluster: one Machine too many costs little. */
export function machinesOfNode(machines: Informer<Machine>, { name, providerID }: WorkloadNode): Machine[] {
  const found = [name, providerID ?? []].flat().flatMap((index) => machines.byIndex('node', index));
  return [...new Set(found)];
}

/** MachineHealthChecks that look at the Machine; which Cluster they mean is for them to find out. */
export function checksOfMachine(
  checks: Informer<MachineHealthCheck>,
  { metadata }: Pick<Machine, 'metadata'>,
): ObjectKey[] {
  return checks
    .list(metadata.namespace)
    .filter(({ spec }) => selects(spec.selector, metadata.labels))
    .map(keyOf);
}

export function machinesOfSet(machines: Informer<Machine>, set: KubeObject): ObjectKey[] {
  return machines
    .list(set.metadata.namespace)
    .filter((machine) => isControlledBy(machine, set))
    .map(keyOf);
}

export function clusterOfMachine(clusters: Informer, { metadata, spec }: Machine): ObjectKey[] {
  const { namespace = 'default' } = metadata;
  const name = clusterNameOf({ metadata, spec });
  return name === undefined ? clusters.list(namespace).map(keyOf) : [{ namespace, name }];
}

/** True for what is asked of a Cluster, and when its hosts have become ready: its Machines may wait for that. */
export function clusterChanged(change: Change<Cluster>): boolean {
  return desiredStateChanged(change) || hasBecomeReady(change);
}

export function hasBecomeReady({ type, object, before }: Change<Cluster>): boolean {
  const isReady = (cluster: Cluster | undefined) => isConditionTrue(cluster, 'Ready');
  return type === 'MODIFIED' && isReady(object) && !isReady(before);
}

/** The Cluster itself, and those that a name of their own on a host has to wait for: it may have been this one's. */
export function affectedClusters(clusters: Informer<Cluster>, changed: KubeObject): ObjectKey[] {
  const disputing = clusters.list().filter(({ status }) => status?.errorReason === 'NotOwned');
  return [changed, ...disputing].map(keyOf);
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

/** True for what people and other controllers ask for; a status, the finalizer and the providerID are what we say ourselves. */
export function desiredStateChanged<T extends KubeObject>({ type, object, before }: Change<T>): boolean {
  if (type !== 'MODIFIED' || !before) return true;
  if (desiredStateFingerprint(object) !== desiredStateFingerprint(withOurs(before, object))) return true;
  if (object.metadata.generation === before.metadata.generation) return false;
  return !isDeepStrictEqual(object.spec, withProviderID(before, object).spec);
}

/**
 * True for a change after which an object that failed is worth another try at once: it came or is to go, its spec is another, or
 * an annotation of ours. Labels and annotations of others may change each second, and say nothing of why it failed.
 */
export function isDesired<T extends KubeObject>({ type, object, before }: Change<T>): boolean {
  if (type !== 'MODIFIED' || !before) return type !== 'RESYNC';
  const [now, then] = [object.metadata, before.metadata];
  if (now.uid !== then.uid || now.deletionTimestamp !== then.deletionTimestamp) return true;
  if (!isDeepStrictEqual(ourMetadata(object), ourMetadata(before))) return true;
  if (now.generation === then.generation) return false;
  return !isDeepStrictEqual(object.spec, withProviderID(before, object).spec);
}

/** Labels and annotations whose names are of the API group, or of an older spelling of it. */
function ourMetadata({ metadata: { labels = {}, annotations = {} } }: KubeObject): readonly unknown[] {
  const isOurs = ([name]: readonly [string, string]) => /(^|\.)cluster(-api)?\.k8s\.io\//.test(name);
  return [labels, annotations].map((named) => Object.fromEntries(Object.entries(named).filter(isOurs)));
}

/** What a MachineHealthCheck goes by. */
export function isHealthNews(change: Change<Machine>): boolean {
  const { object, before } = change;
  return (
    desiredStateChanged(change) || (before !== undefined && healthTextOf(object) !== healthTextOf(before))
  );
}

function healthTextOf({ status }: Machine): string {
  const conditions = (status?.conditions ?? []).map(({ type, status: is, reason }) => [type, is, reason]);
  return JSON.stringify([conditions, status?.nodeRef?.name, status?.errorReason]);
}

function desiredStateFingerprint({ metadata }: KubeObject): string {
  const { uid, labels, annotations, finalizers, ownerReferences, deletionTimestamp } = metadata;
  return JSON.stringify([uid, labels, annotations, finalizers, ownerReferences, deletionTimestamp]);
}

/** With our finalizer if it was given since. One that was taken away is given again. */
function withOurs(before: KubeObject, { metadata: { finalizers = [] } }: KubeObject): KubeObject {
  const known = before.metadata.finalizers ?? [];
  if (known.includes(FINALIZER) || !finalizers.includes(FINALIZER)) return before;
  const given = finalizers.filter((one) => one === FINALIZER || known.includes(one));
  return { ...before, metadata: { ...before.metadata, finalizers: given } };
}

/** With the providerID that we give a machine, if it was given since. */
function withProviderID(before: KubeObject, { metadata: { uid = '' }, spec }: KubeObject): KubeObject {
  const [given, known] = [spec, before.spec] as { readonly providerID?: string }[];
  if (known?.providerID !== undefined || given?.providerID !== providerID({ uid })) return before;
  return { ...before, spec: { ...known, providerID: given.providerID } };
}
