/** Reads the cells of a table out of objects, by the same JSON paths that the CRDs give to kubectl. */

import { type JsonPath, parseJsonPath } from '../../apimachinery/json-path.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import type { Column } from './kind.ts';

/** By their text: a table reads each of them once for each of its rows. */
const PATHS = new Map<string, JsonPath>();

/** The value of the cell; undefined if the object has none. A filter that matches several items yields the first. */
export function columnValue(object: KubeObject, { jsonPath }: Pick<Column, 'jsonPath'>): unknown {
  const path = PATHS.get(jsonPath) ?? parseJsonPath(jsonPath);
  PATHS.set(jsonPath, path);
  return path(object)[0];
}
