/** Changes an object that a command names, as it is stored now. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { TransientError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { notFound } from '../session/errors.ts';

/** How often a change is made again to what somebody else has changed at the same time. */
const TRIES = 5;

/**
 * Writes what `change` makes of the object; undefined: it is left as it is. Returns the object, and whether it was written. Throws
 * TerminalError NotFound, and what `change` throws. `fieldManager`: who is said to have written it.
 */
export async function changeObject<T extends KubeObject>(
  store: Store,
  kind: ApiKind<T>,
  key: ObjectKey,
  change: (object: T) => T | undefined,
  fieldManager = 'caplv-edit',
): Promise<{ readonly object: T; readonly isChanged: boolean }> {
  for (let tries = 1; ; tries += 1) {
    const object = await store.get(kind, key, { fresh: true });
    if (!object) throw notFound(kind as ApiKind, key.name, key.namespace);
    const changed = change(object);
    if (!changed) return { object, isChanged: false };
    try {
      const written = await store.update(kind, changed, { fieldManager });
      return { object: written, isChanged: true };
    } catch (error) {
      if (!(error instanceof TransientError) || error.code !== 'Conflict' || tries >= TRIES) throw error;
    }
  }
}
