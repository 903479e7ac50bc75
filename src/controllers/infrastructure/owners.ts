/** Finds what a LibvirtMachine or LibvirtCluster belongs to in the current Cluster API. */

import {
  CONTRACT_CLUSTER_LABEL,
  CONTRACT_GROUP,
  CONTRACT_PAUSED_ANNOTATION,
  type ContractCluster,
  ContractClusterKind,
  type ContractMachine,
  ContractMachineKind,
  DELETE_FOR_MOVE_ANNOTATION,
  infrastructureNameOf,
} from '../../api/infrastructure/contract.ts';
import { type LibvirtCluster, LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import type { KubeObject, OwnerReference } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import type { Store } from '../../store/store.ts';

export interface MachineOwners {
  /** Machine of Cluster API; undefined: none owns it yet, or no longer. */
  readonly machine: ContractMachine | undefined;
  /** Cluster of Cluster API that the Machine belongs to. */
  readonly cluster: ContractCluster | undefined;
  /** The LibvirtCluster of that Cluster. */
  readonly infrastructure: LibvirtCluster | undefined;
}

export async function ownersOfMachine(
  store: Pick<Store, 'get'>,
  one: LibvirtMachine,
): Promise<MachineOwners> {
  const { namespace } = keyOf(one);
  const reference = ownerReference(one, 'Machine');
  const found = reference && (await store.get(ContractMachineKind, { namespace, name: reference.name }));
  // One of the same name that was made anew is another one.
  const machine = found?.metadata.uid === reference?.uid ? found : undefined;
  const name = machine?.spec.clusterName ?? one.metadata.labels?.[CONTRACT_CLUSTER_LABEL];
  const cluster = name === undefined ? undefined : await store.get(ContractClusterKind, { namespace, name });
  return { machine, cluster, infrastructure: cluster && (await infrastructureOf(store, cluster)) };
}

/** The LibvirtCluster that a Cluster names; undefined: it names none that is there. */
export async function infrastructureOf(
  store: Pick<Store, 'get'>,
  cluster: ContractCluster,
): Promise<LibvirtCluster | undefined> {
  const name = infrastructureNameOf(cluster, LibvirtClusterKind);
  return name === undefined ? undefined : store.get(LibvirtClusterKind, { ...keyOf(cluster), name });
}

/** The Cluster that owns a LibvirtCluster, or a template that a Cluster uses. */
export async function ownerOfCluster(
  store: Pick<Store, 'get'>,
  one: KubeObject,
): Promise<ContractCluster | undefined> {
  const reference = ownerReference(one, 'Cluster');
  if (!reference) return undefined;
  const found = await store.get(ContractClusterKind, { ...keyOf(one), name: reference.name });
  return found?.metadata.uid === reference.uid ? found : undefined;
}

/** The Machine whose `spec.infrastructureRef` names the LibvirtMachine, whether it is its owner yet or not. */
export async function machineNaming(
  store: Pick<Store, 'list'>,
  one: LibvirtMachine,
): Promise<ContractMachine | undefined> {
  const { namespace, name } = keyOf(one);
  const machines = await store.list(ContractMachineKind, { namespace });
  return machines.find((machine) => infrastructureNameOf(machine, LibvirtMachineKind) === name);
}

/** Names the owner of a kind of Cluster API that cannot be the owner of such an object: ` (its owner is Cluster "fuji")`; else ``. */
export function otherOwner({ metadata }: KubeObject, expected: string): string {
  const other = metadata.ownerReferences?.find(
    ({ kind, apiVersion }) => kind !== expected && apiVersion.split('/')[0] === CONTRACT_GROUP,
  );
  return other ? ` (its owner is ${other.kind} "${other.name}")` : '';
}

/** True if no work is to be done on the object: the Cluster is paused, or the object itself, or it goes because it was moved. */
export function isPaused(one: KubeObject, cluster: ContractCluster | undefined): boolean {
  const { annotations = {} } = one.metadata;
  return (
    cluster?.spec.paused === true ||
    annotations[CONTRACT_PAUSED_ANNOTATION] !== undefined ||
    annotations[DELETE_FOR_MOVE_ANNOTATION] !== undefined
  );
}

/** Of any version of the group: the API server stores the references that it was given. */
function ownerReference({ metadata }: KubeObject, kind: string): OwnerReference | undefined {
  return metadata.ownerReferences?.find(
    (one) => one.kind === kind && one.apiVersion.split('/')[0] === CONTRACT_GROUP,
  );
}
