/** Objects of the current Cluster API as commands name them. They live in a cluster, beside what owns them. */

import { CONTRACT_GROUP } from '../../api/infrastructure/contract.ts';
import { LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import { LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import { INFRASTRUCTURE_KINDS } from '../../api/infrastructure/registry.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { isCalled } from '../../api/kinds/names.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';

/** The kind that a person means; undefined: none of the current Cluster API. Throws TerminalError without a cluster to work on. */
export function infrastructureKind(name: string, kubeconfig: string | undefined): ApiKind | undefined {
  const kind = INFRASTRUCTURE_KINDS.find((one) => isCalled(one, name));
  if (!kind || kubeconfig !== undefined) return kind;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: '--kubeconfig',
    message: `a ${kind.kind} is an object of a cluster in which Cluster API runs, and the local store has none`,
    fix: 'name the cluster: --kubeconfig FILE; without Cluster API, use a Machine of cluster-api.k8s.io/v1alpha1',
  });
}

/** Returns the kind of machines of the current Cluster API. */
export function machineKind(): ApiKind {
  return LibvirtMachineKind as ApiKind;
}

/** What of Cluster API owns an object, and by its deletion deletes it too; undefined: nothing. */
export function ownerOf(kind: ApiKind, { metadata }: KubeObject): { kind: string; name: string } | undefined {
  const wanted = OWNERS.get(kind);
  return metadata.ownerReferences?.find(
    (one) => one.kind === wanted && one.apiVersion.split('/')[0] === CONTRACT_GROUP,
  );
}

const OWNERS = new Map<ApiKind, string>([
  [LibvirtMachineKind as ApiKind, 'Machine'],
  [LibvirtClusterKind as ApiKind, 'Cluster'],
]);

/** Refuses to delete what would be missed by its owner: that one is to be deleted, and deletes it. */
export function requireUnowned(kind: ApiKind, object: KubeObject): void {
  const owner = object.metadata.deletionTimestamp ? undefined : ownerOf(kind, object);
  if (!owner) return;
  const { namespace, name } = object.metadata;
  const plural = `${owner.kind.toLowerCase()}s.${CONTRACT_GROUP}`;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `${kind.kind} "${name}" belongs to the ${owner.kind} "${owner.name}" of Cluster API`,
    fix: `delete that one, and it goes too: kubectl delete ${plural} ${owner.name} --namespace ${namespace}; if its host is gone for good: --give-up`,
  });
}
