/** Files of a machine that an object names: with a cluster they are read by its controller, not by whoever applies the object. */

import type { KubeObject } from '../../apimachinery/object.ts';
import { findKind } from '../kinds/registry.ts';
import { formatPath } from '../schema/problem.ts';
import { fieldMeta, mapFields } from '../schema/schema-walk.ts';

export interface LocalFile {
  /** For example `spec.providerSpec.imageURI`. */
  readonly path: string;
  readonly value: string;
}

/** Lists the fields of an object that name a file by its path, absolute or as file:. Empty for kinds that are not ours. */
export function localFiles(object: KubeObject): LocalFile[] {
  const kind = findKind(object.apiVersion, object.kind);
  if (!kind) return [];
  const found: LocalFile[] = [];
  mapFields(kind.schema, object, (value, field, path) => {
    if (fieldMeta(field).file && typeof value === 'string' && /^(\/|file:)/.test(value)) {
      found.push({ path: formatPath(path), value });
    }
    return value;
  });
  return found;
}
