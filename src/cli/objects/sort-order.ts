/** Sorts objects for `--sort-by`. */

import { parseJsonPath } from '../../apimachinery/json-path.ts';

/** Compares by the first value at `path`: what has none comes first, numbers by their size. Throws as `parseJsonPath`. */
export function comparePaths(path: string): (a: unknown, b: unknown) => number {
  const valueAt = parseJsonPath(path.trim().replace(/^\{(.*)\}$/, '$1'));
  return (a, b) => {
    const [left, right] = [valueAt(a)[0], valueAt(b)[0]];
    if (left === right) return 0;
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
    if (typeof left === 'number' && typeof right === 'number') return left - right;
    return String(left) < String(right) ? -1 : 1;
  };
}
