/** Verifies which fields a status update removes although another manager owns them (a backup, `kubectl edit`). */

import { expect, test } from 'vitest';
import { leftFields } from '../../../src/kube/runtime/left-fields.ts';

const error = { errorReason: 'ImageNotFound', errorMessage: 'gone' };

test.each([
  ['nothing that was never there', undefined, { phase: 'Running' }, { phase: 'Running' }, undefined],
  ['nothing that the apply took away', error, {}, {}, undefined],
  [
    'what another manager owns',
    { phase: 'Failed', ...error },
    { phase: 'Running' },
    { phase: 'Running', ...error },
    { errorReason: null, errorMessage: null },
  ],
  [
    'a field within a field',
    { a: { x: 1, y: 2 } },
    { a: { x: 1 } },
    { a: { x: 1, y: 2 } },
    { a: { y: null } },
  ],
  ['a whole struct', { a: { x: 1 } }, {}, { a: { x: 1 } }, { a: null }],
  [
    'nothing of what others have added since',
    { a: 1 },
    { a: 1 },
    { a: 1, nodeRef: { name: 'n' } },
    undefined,
  ],
  ['no items of lists', { list: [1, 2] }, { list: [1] }, { list: [1, 2] }, undefined],
])('%s', (_, before, wanted, now, left) => {
  expect(leftFields(before, wanted, now)).toEqual(left);
});
