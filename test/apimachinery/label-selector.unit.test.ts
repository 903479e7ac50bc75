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
  ['!a', {}, true],
  ['! a', {}, true],
  ['example.com/a', {}, false],
  ['example.com/a=b', { 'example.com/a': 'b' }, true],
  [' a = b , c ', { a: 'b', c: '' }, true],
  ['a=', { a: '' }, true],
  ['a=', {}, false],
  ['a!=b', {}, true],
  ['a in(b,c)', { a: 'b' }, true],
  ['a in (b),c in (d,e)', { a: 'b', c: 'e' }, true],
  ['a in (,b)', { a: '' }, true],
  ['a in (b)', {}, false],
  ['a notin (b)', {}, true],
  ['in', { in: '' }, true],
  ['a>1', { a: '2' }, true],
  ['a > 1', { a: '1' }, false],
  ['a<10', { a: '9' }, true],
  ['a<10', { a: 'b' }, false],
  ['a<10', {}, false],
])('selector %j of %j matches: %s', (selector, labels, expected) => {
  expect(parseLabelSelector(selector)(labels as unknown as Record<string, string>)).toBe(expected);
});

it.each([
  'a=(b',
  // Neither may be taken for a=b, nor the key for a shorter one.
  '!a=b',
  'ain (b)',
  'a=b,,c',
  'a,',
  ',a',
  'a in b',
  'a in (b',
  'a in ()x',
  'a=b c',
  'a=-b',
  '-a',
  'a/b/c',
  'a>b',
  '=b',
])('malformed selector %j is refused, not taken to match all', (selector) => {
  expect(() => parseLabelSelector(selector)).toThrow(
    expect.objectContaining({ code: 'InvalidConfiguration' }),
  );
});
