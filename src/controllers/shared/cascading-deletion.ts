/**
 * Deletion of something that owns others: all members first, then the owner. With Kubernetes' garbage collector this works
 * in the background and in the foreground alike, whoever deletes a member first; the local store has no other.
 */

import { FINALIZER } from '../../api/schema/group.ts';
import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { isControlledBy } from '../../apimachinery/owner-reference.ts';
import type { Store } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import type { Recorder } from './recorder.ts';

/** Kubernetes' finalizer of `kubectl delete --cascade=orphan`. */
const ORPHAN_FINALIZER = 'orphan';

export interface Ownership<O extends KubeObject, M extends KubeObject> {
  readonly store: Store;
  readonly recorder: Recorder;
  readonly fieldManager: string;
  readonly ownerKind: ResourceKind<O>;
  readonly memberKind: ResourceKind<M>;
}

/** One step towards it. Returns how many members are left; 0: the owner is let go. Throws UnreadableObjectError where more may be left. */
export async function deleteWithMembers<O extends KubeObject, M extends KubeObject>(
  ownership: Ownership<O, M>,
  owner: O,
): Promise<number> {
  const { store, ownerKind, memberKind, fieldManager } = ownership;
  const { finalizers = [], namespace = 'default' } = owner.metadata;
  const broken: UnreadableObjectError[] = [];
  const onUnreadable = (errors: readonly UnreadableObjectError[]) =>
    broken.splice(0, broken.length, ...errors);
  const members = async () =>
    (await store.list(memberKind, { namespace, onUnreadable })).filter((member) =>
      isControlledBy(member, owner),
    );
  // Of an orphaning deletion the garbage collector first takes the members away from us; then there are none to delete.
  const isOrphaning = finalizers.includes(ORPHAN_FINALIZER);
  if (!finalizers.includes(FINALIZER) || isOrphaning) return (await members()).length;
  for (const member of await members()) {
    if (!member.metadata.deletionTimestamp) await deleteMember(ownership, owner, member);
  }
  const left = (await members()).length;
  // Of which nobody knows whose they are: the owner waits for them.
  if (left === 0 && broken[0]) throw broken[0];
  if (left === 0) {
    const metadata = { ...owner.metadata, finalizers: finalizers.filter((one) => one !== FINALIZER) };
    await store.update(ownerKind, { ...owner, metadata }, { fieldManager });
  }
  return left;
}

/** Exactly the version that was looked at: a member that changed since may not be the one that should go. */
export async function deleteMember<O extends KubeObject, M extends KubeObject>(
  { store, recorder, memberKind }: Ownership<O, M>,
  owner: O,
  member: M,
): Promise<void> {
  const { name, namespace = 'default', uid, resourceVersion } = member.metadata;
  const key: ObjectKey = { namespace, name };
  await store.delete(memberKind, key, {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  });
  recorder.event(owner, { type: 'Normal', reason: 'Deleted', message: `${memberKind.kind} ${name}` });
}
