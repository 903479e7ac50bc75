/** Verifies that resource ids are valid and unique. */

import { expect, test } from 'vitest';
import { resourceId } from '../../stacks/resource-id.ts';

test('an id that Terraform takes, and a reader still knows', () => {
  expect(resourceId('image', 'default', 'debian-12.qcow2')).toBe('image_default__debian-12_2eqcow2');
});

test.each([
  [['a_b'], ['a', 'b']],
  [['a.b'], ['a_2eb']],
  [
    ['a_', 'b'],
    ['a', '_b'],
  ],
  [['€'], [' ac']],
  [['A'], ['a']],
])('%j and %j are never the same resource', (left, right) => {
  expect(resourceId('x', ...left)).not.toBe(resourceId('x', ...right));
});
