/** Describes an object of the local store whose file cannot be read: the object exists, its content is unknown. */

import type { ObjectKey, ResourceKind } from '../apimachinery/object.ts';
import { formatKey } from '../apimachinery/object-key.ts';
import { TransientError } from '../errors.ts';

/** Long enough for a person to mend the file. */
const RETRY_MS = 30_000;

export class UnreadableObjectError extends TransientError {
  readonly key: ObjectKey;
  /** The uid that the object has: it follows from the name. */
  readonly uid: string;

  constructor(
    kind: ResourceKind,
    {
      key,
      uid,
      file,
      why,
    }: { readonly key: ObjectKey; readonly uid: string; readonly file: string; readonly why: string },
  ) {
    super({
      code: 'ObjectUnreadable',
      message: `${kind.kind} ${formatKey(key)} cannot be read: its file ${file} ${why}`,
      fix: 'apply its manifest again: the broken file is kept beside the new one; or bring the file back from a backup',
      retryAfterMs: RETRY_MS,
    });
    this.key = key;
    this.uid = uid;
  }
}
