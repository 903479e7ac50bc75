/** Verifies label selectors, malformed ones included. */

import { expect, it } from 'vitest';
import { parseLabelSelector } from '../../src/apimachinery/label-selector.ts';

it.each([
  ['', { a: 'b' }, true],
  ['a=b', { a: 'b' }, true],
  ['a==b,c!=d', { a: 'b' }, true],
  ['a=b', { a: 'c' }, false],
  ['a in (b, c)', { a: 'c' }, true],
  ['a notin (b,c),d', { a: 'x', d: '' }, true],
  ['!a', { a: 'b' }, false],
  ['example.com/a', {}, false],
])('selector %j of %j matches: %s', (selector, labels, expected) => {
  expect(parseLabelSelector(selector)(labels as unknown as Record<string, string>)).toBe(expected);
});

it('a malformed selector is refused, not taken to match all', () => {
  expect(() => parseLabelSelector('a=(b')).toThrow(expect.objectContaining({ code: 'InvalidConfiguration' }));
});
