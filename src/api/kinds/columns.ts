/** Reads the cells of a table out of objects, by the same JSON paths that the CRDs give to kubectl. */

import type { KubeObject } from '../../apimachinery/object.ts';
import type { Column } from './kind.ts';

/** One step of a path: `.name`, `[0]`, `[?(@.type=="Ready")]` or `['a\.b/c']`. */
const STEP = /\.(\w+)|\[(\d+)\]|\[\?\(@\.(\w+)=="([^"]*)"\)\]|\['((?:[^'\\]|\\.)*)'\]/g;

/** The value of the cell; undefined if the object has none. A filter that matches several items yields the first. */
export function columnValue(object: KubeObject, column: Pick<Column, 'jsonPath'>): unknown {
  let at: unknown = object;
  for (const [, name, index, key, wanted, quoted] of column.jsonPath.matchAll(STEP)) {
    if (name !== undefined) at = field(at, name);
    else if (quoted !== undefined) at = field(at, quoted.replaceAll('\\', ''));
    else if (!Array.isArray(at)) return undefined;
    else if (index !== undefined) at = at[Number(index)];
    else at = at.find((item) => key !== undefined && field(item, key) === wanted);
  }
  return at;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
