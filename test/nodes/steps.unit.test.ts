/** Verifies the text of the report. */

import { expect, test } from 'vitest';
import { reportText } from './steps.ts';

const step = { name: 'a', seconds: 119, load: 2.04, seen: 'x | y', failed: false };

test('a report says what each step took, which one failed, and which did not run', () => {
  const steps = [step, { ...step, name: 'b', seen: 'timed out', failed: true }];
  const text = reportText(steps, ['a', 'b', 'c']);
  expect(text.split('\n').filter((line) => /^\| [abc]/.test(line))).toEqual([
    '| a | 119 | 2.0 | x \\| y |',
    '| b | 119 | 2.0 | **failed**: timed out |',
    '| c |  |  | did not run |',
  ]);
});
