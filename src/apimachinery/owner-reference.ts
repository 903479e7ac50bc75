/** Writes and reads the owner reference of the controller that manages an object. */

import type { KubeObject, ObjectKey, OwnerReference, ResourceKind } from './object.ts';
import { apiVersionOf } from './object-key.ts';

/** The reference that makes `owner` the one controller of an object: with it the object is deleted, too. */
export function controllerReference(kind: ResourceKind, owner: KubeObject): OwnerReference {
  const { name, uid } = owner.metadata;
  if (!uid) throw new Error(`${kind.kind} ${name} has no uid yet: it must exist before it can own`);
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** The owner that manages this object, if it has one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller);
}

/** Compares by uid: an owner that was created again under the same name is another one. */
export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return owner.metadata.uid !== undefined && controllerOf(object)?.uid === owner.metadata.uid;
}

/** For `Controller.watch`: a change of the object concerns its controller, if that is of this kind. */
export function controllerKeys(kind: ResourceKind): (object: KubeObject) => readonly ObjectKey[] {
  return (object) => {
    const owner = controllerOf(object);
    if (owner?.kind !== kind.kind || owner.apiVersion.split('/')[0] !== apiVersionOf(kind).split('/')[0])
      return [];
    return [{ namespace: kind.namespaced ? (object.metadata.namespace ?? '') : '', name: owner.name }];
  };
}
