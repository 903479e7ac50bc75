/** Verifies that JSON beyond its limits is recognized before it is parsed. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { jsonExcess } from '../../src/system/json-bounds.ts';

const bounds = { depth: 3, values: 5 };

it.each([
  ['', undefined],
  ['7', undefined],
  ['[[[0]]]', undefined],
  ['[[[[0]]]]', 'depth'],
  ['{"a":{"b":{"c":{}}}}', 'depth'],
  ['[0,0,0,0]', undefined],
  ['[0,0,0,0,0]', 'values'],
  ['{"a":1,"b":2,"c":3,"d":4,"e":5}', 'values'],
  // What stands in a string is text.
  ['"[[[[[[,,,,,,"', undefined],
  [String.raw`"\"[[[[\\"`, undefined],
  [String.raw`["\\",[[[0]]]]`, 'depth'],
  // Not JSON: counted as far as it can be.
  ['"[[[[', undefined],
  ['[[[[', 'depth'],
  [']]]][[[', undefined],
])('%s is beyond: %s', (text, excess) => {
  expect(jsonExcess(text, bounds)).toBe(excess);
});

it('no JSON text has more values than are counted', () => {
  const valuesOf = (value: unknown): number =>
    typeof value === 'object' && value !== null
      ? Object.values(value).reduce((sum: number, child) => sum + valuesOf(child), 1)
      : 1;
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const text = JSON.stringify(value);
      const leaves = valuesOf(value);
      if (leaves > 1)
        expect(jsonExcess(text, { depth: 99, values: Math.ceil(leaves / 2) - 1 })).toBe('values');
    }),
  );
});
