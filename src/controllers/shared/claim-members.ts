/**
 * Which Machines belong to a MachineSet, and which MachineSets to a MachineDeployment: those whose controller it is. The
 * selector decides who comes and goes: an object without a controller that it selects is adopted, one of our own that it no
 * longer selects is released, and lives on without us.
 */

import { type LabelSelector, selects } from '../../api/kinds/machine-template.ts';
import type { KubeObject, ObjectKey, OwnerReference, ResourceKind } from '../../apimachinery/object.ts';
import { controllerOf, controllerReference, isControlledBy } from '../../apimachinery/owner-reference.ts';
import type { Ownership } from './cascading-deletion.ts';

export interface Selecting extends KubeObject {
  spec: { selector: LabelSelector };
}

/**
 * The members among `candidates`, which are all objects of the namespace. Adopts and releases by the version that was read,
 * so that of two owners that want the same object one gets it. Throws TransientError Conflict when it changed meanwhile.
 */
export async function claimMembers<O extends Selecting, M extends KubeObject>(
  ownership: Ownership<O, M>,
  owner: O,
  candidates: readonly M[],
): Promise<M[]> {
  const { ownerKind, memberKind, recorder } = ownership;
  const members: M[] = [];
  for (const candidate of candidates) {
    const { name, ownerReferences = [] } = candidate.metadata;
    const change = changeOfOwner(owner, candidate);
    if (change === undefined) {
      if (isControlledBy(candidate, owner)) members.push(candidate);
    } else if (change === 'release') {
      const others = ownerReferences.filter(({ uid }) => uid !== owner.metadata.uid);
      await setOwners(ownership, candidate, others);
      const message = `${memberKind.kind} ${name}: the selector does not select its labels any more`;
      recorder.event(owner, { type: 'Normal', reason: 'Released', message });
    } else {
      const owners = [...ownerReferences, controllerReference(ownerKind, owner)];
      members.push(await setOwners(ownership, candidate, owners));
      const message = `${memberKind.kind} ${name}: it had no owner, and the selector selects its labels`;
      recorder.event(owner, { type: 'Normal', reason: 'Adopted', message });
    }
  }
  return members;
}

/** What has to happen for the object to belong to whom it should; undefined: nothing. */
export function changeOfOwner(owner: Selecting, candidate: KubeObject): 'adopt' | 'release' | undefined {
  const { labels, deletionTimestamp } = candidate.metadata;
  const isSelected = selects(owner.spec.selector, labels);
  if (isControlledBy(candidate, owner)) return isSelected ? undefined : 'release';
  return isSelected && !controllerOf(candidate) && !deletionTimestamp ? 'adopt' : undefined;
}

/**
 * For watches: keys of the owners that a change of `member` concerns. That is its controller; for an object that has none,
 * every one of `owners` in its namespace that selects it and so may adopt it.
 */
export function affectedOwners(
  ownerKind: ResourceKind,
  member: KubeObject,
  owners: readonly Selecting[],
): ObjectKey[] {
  const { namespace = 'default', labels } = member.metadata;
  const controller = controllerOf(member);
  if (controller) return controller.kind === ownerKind.kind ? [{ namespace, name: controller.name }] : [];
  return owners
    .filter((owner) => (owner.metadata.namespace ?? 'default') === namespace)
    .filter((owner) => selects(owner.spec.selector, labels))
    .map((owner) => ({ namespace, name: owner.metadata.name }));
}

function setOwners<O extends KubeObject, M extends KubeObject>(
  { store, memberKind, fieldManager }: Ownership<O, M>,
  member: M,
  ownerReferences: OwnerReference[],
): Promise<M> {
  const metadata = { ...member.metadata, ownerReferences };
  return store.update(memberKind, { ...member, metadata }, { fieldManager });
}
