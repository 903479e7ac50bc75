/** Verifies label selectors and their text form. */

import { expect, test } from 'vitest';
import { type LabelSelector, selectorText, selects } from '../../../src/api/kinds/machine-template.ts';

test.each<[LabelSelector, string, boolean]>([
  [{ matchLabels: { set: 'a' } }, 'set=a', true],
  [{ matchLabels: { set: 'b' } }, 'set=b', false],
  [{ matchExpressions: [{ key: 'set', operator: 'In', values: ['a', 'b'] }] }, 'set in (a,b)', true],
  [{ matchExpressions: [{ key: 'set', operator: 'NotIn', values: ['a'] }] }, 'set notin (a)', false],
  [{ matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['a'] }] }, 'zone notin (a)', true],
  [{ matchExpressions: [{ key: 'set', operator: 'Exists' }] }, 'set', true],
  [{ matchExpressions: [{ key: 'set', operator: 'DoesNotExist' }] }, '!set', false],
])('%j is `%s`', (selector, text, selected) => {
  expect(selectorText(selector)).toBe(text);
  expect(selects(selector, { set: 'a' })).toBe(selected);
});
