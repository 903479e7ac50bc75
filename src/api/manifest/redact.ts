/** Hides secrets in objects that are shown. Which fields are secret is said where they are declared. */

import type { KubeObject } from '../../apimachinery/object.ts';
import type { ApiKind } from '../kinds/kind.ts';
import { findKind } from '../kinds/registry.ts';
import { fieldMeta, mapFields } from '../schema/schema-walk.ts';

/** kubectl's annotation: a second copy of the whole object, secrets and all. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * A copy of `object` in which every sensitive value is `(hidden, N bytes)`. An object of an unknown kind keeps
 * metadata only. `kind`: of the object; default: the one of the original API that it names.
 */
export function redact<T extends KubeObject>(
  object: T,
  kind: Pick<ApiKind, 'schema'> | undefined = findKind(object.apiVersion, object.kind),
): T {
  if (!kind) return { apiVersion: object.apiVersion, kind: object.kind, metadata: object.metadata } as T;
  const copy = mapFields(kind.schema, object, (value, schema) =>
    fieldMeta(schema).sensitive ? hidden(value) : value,
  ) as T;
  const lastApplied = copy.metadata.annotations?.[LAST_APPLIED];
  if (lastApplied === undefined) return copy;
  const annotations = { ...copy.metadata.annotations, [LAST_APPLIED]: hidden(lastApplied) };
  return { ...copy, metadata: { ...copy.metadata, annotations } };
}

function hidden(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return `(hidden, ${Buffer.byteLength(text)} bytes)`;
}
