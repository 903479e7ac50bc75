/** Shows a LibvirtCluster, or a template, as the tree of its LibvirtMachines, each with why it is not ready. */

import { CONTRACT_CLUSTER_LABEL } from '../../api/infrastructure/contract.ts';
import { LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import type { Description } from '../objects/description.ts';
import { notFound } from '../session/errors.ts';
import { ownerOf } from '../session/infrastructure.ts';
import type { Session } from '../session/session.ts';
import { nodeOf, treeDescription } from './describe-tree.ts';

/** Annotations that Cluster API sets on what it clones: of which template it is. */
const CLONED_FROM = 'cluster.x-k8s.io/cloned-from-name';
const CLONED_FROM_KIND = 'cluster.x-k8s.io/cloned-from-groupkind';

export async function describeInfrastructure(
  { store }: Pick<Session, 'store'>,
  kind: ApiKind,
  namespace: string,
  name: string,
): Promise<Description> {
  const root = await store.get(kind, { namespace, name });
  if (!root) throw notFound(kind, name, namespace);
  const isBelow = kind === LibvirtClusterKind ? isOfCluster : isCloneOf;
  const machines = (await store.list(LibvirtMachineKind, { namespace })).filter((one) => isBelow(one, root));
  machines.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const below = machines.map((one) => nodeOf(one, []));
  return treeDescription(nodeOf(root, below));
}

/** True for a LibvirtMachine of the Cluster that owns the LibvirtCluster. */
function isOfCluster({ metadata }: LibvirtMachine, cluster: KubeObject): boolean {
  const owner = ownerOf(LibvirtClusterKind, cluster);
  return owner !== undefined && metadata.labels?.[CONTRACT_CLUSTER_LABEL] === owner.name;
}

function isCloneOf({ metadata: { annotations = {} } }: LibvirtMachine, template: KubeObject): boolean {
  const { kind, apiVersion, metadata } = template;
  const groupKind = `${kind}.${apiVersion.split('/')[0]}`;
  return annotations[CLONED_FROM] === metadata.name && annotations[CLONED_FROM_KIND] === groupKind;
}
