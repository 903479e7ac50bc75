/** Which changes of an object count: predicates for the watches of all kinds. */

import { isDeepStrictEqual } from 'node:util';
import { FINALIZER } from '../../api/schema/group.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { providerID } from '../../intent/names.ts';
import type { Change } from '../../kube/runtime/informer.ts';

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
