/** Generates tables of virsh with unusual, repeated or missing cells. */

import fc from 'fast-check';
import { hostileText } from '../hostile.ts';
import { pieces } from './json.ts';

const SEPARATORS = [' ', '   ', '\t', '\n', '\r\n', '', ': ', "'", '(', ')', '/', '-', '%', '\0'];

/** Lines that are like `examples`, and some that are not. */
export function tableText(...examples: readonly string[]): fc.Arbitrary<string> {
  const cell = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...examples.flatMap((line) => line.split(/(\s+)/))) },
    { weight: 2, arbitrary: fc.constantFrom(...SEPARATORS) },
    { weight: 1, arbitrary: hostileText },
  );
  const line = fc.oneof(
    fc.constantFrom(...examples),
    fc.array(cell, { maxLength: 20 }).map((cells) => cells.join('')),
    pieces([...examples, ...SEPARATORS], 2_000),
  );
  const times = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 300 }));
  return fc.array(fc.tuple(line, times), { maxLength: 6 }).map((lines) =>
    lines
      .map(([text, n]) => `${text}\n`.repeat(n))
      .join('')
      .slice(0, 4_000_000),
  );
}
