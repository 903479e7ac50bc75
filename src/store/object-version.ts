/** Compares and increments the versions of stored objects: a write that is based on an older version is refused. */

import type { ObjectKey, ResourceKind } from '../apimachinery/object.ts';
import { TransientError } from '../errors.ts';
import type { StoredObject } from './stored-object.ts';

/** Throws Transient Conflict unless the stored object has the uid and resourceVersion that the caller knows. */
export function requireVersion(
  stored: StoredObject | undefined,
  kind: ResourceKind,
  key: ObjectKey,
  wanted: { readonly uid?: string; readonly resourceVersion?: string | undefined },
): void {
  const metadata = stored?.object.metadata;
  if (wanted.uid !== undefined && metadata?.uid !== wanted.uid)
    throw conflict(kind, key, 'it is another object by now');
  if (wanted.resourceVersion !== undefined && metadata?.resourceVersion !== wanted.resourceVersion) {
    throw conflict(kind, key, 'it was changed in the meantime');
  }
}

/** Returns a version above the one before, and above that of an earlier object of that name, since time mostly goes on. */
export function nextVersion(before: string | undefined): string {
  const next = (before !== undefined && /^\d+$/.test(before) ? BigInt(before) : 0n) + 1n;
  const now = BigInt(Date.now());
  return String(next > now ? next : now);
}

export function conflict(kind: ResourceKind, key: ObjectKey, why: string): TransientError {
  return new TransientError({
    code: 'Conflict',
    message: `${kind.kind} ${key.namespace}/${key.name}: ${why}`,
    fix: 'read it again and repeat the change',
    retryAfterMs: 50,
  });
}
