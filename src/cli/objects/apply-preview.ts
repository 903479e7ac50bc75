/** `caplv apply --dry-run`: says what apply would write, and writes nothing. */

import { isDeepStrictEqual } from 'node:util';
import type { Manifest } from '../../api/manifest/manifest.ts';
import { isMapping } from '../../apimachinery/mapping.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { FIELD_MANAGER, keyOf, kindOf } from '../session/manifests.ts';
import type { Session } from '../session/session.ts';

/** client: objects are only read; server: the store, or the API server with its admission, computes and checks each of them. */
export type DryRun = 'client' | 'server';

export async function previewApply(
  { store, preview, terminal }: Pick<Session, 'store' | 'preview' | 'terminal'>,
  manifests: readonly Manifest[],
  how: DryRun,
): Promise<void> {
  const suffix = how === 'client' ? 'dry run' : 'server dry run';
  for (const { object } of manifests) {
    const kind = kindOf(object);
    const before = await store.get(kind, keyOf(object));
    const after = how === 'server' ? await preview(kind, object, { fieldManager: FIELD_MANAGER }) : undefined;
    const isSame =
      before && (after ? isDeepStrictEqual(written(before), written(after)) : holds(before, object));
    const result = before === undefined ? 'created' : isSame ? 'unchanged' : 'configured';
    terminal.out(`${kind.singular}/${object.metadata.name} ${result} (${suffix})`);
  }
}

/** What people write of an object. */
function written({ metadata: { labels = {}, annotations = {} }, ...object }: KubeObject): object {
  const { apiVersion: _, kind: __, status: ___, ...fields } = object;
  return { ...fields, labels, annotations };
}

/** True if `object` has all that `part` says. */
export function holds(object: unknown, part: unknown): boolean {
  if (!isMapping(part)) return isDeepStrictEqual(object, part);
  return isMapping(object) && Object.entries(part).every(([name, value]) => holds(object[name], value));
}
