/** Verifies the transition times and the order of conditions. */

import { expect, test } from 'vitest';
import { setCondition } from '../../src/apimachinery/conditions.ts';

const READY = { type: 'Ready', status: 'False', reason: 'Starting', message: '' } as const;

test('the time of a condition is that of its last change of status, not of its reason', () => {
  const first = setCondition(undefined, READY, '2026-01-01T00:00:00Z');
  const second = setCondition(first, { ...READY, reason: 'Waiting' }, '2026-01-01T00:00:01Z');
  const third = setCondition(second, { ...READY, status: 'True' }, '2026-01-01T00:00:02Z');
  expect(second).toMatchObject([{ reason: 'Waiting', lastTransitionTime: '2026-01-01T00:00:00Z' }]);
  expect(third).toMatchObject([{ status: 'True', lastTransitionTime: '2026-01-01T00:00:02Z' }]);
});

test('others stay, in an order that does not depend on the order of writes', () => {
  const one = setCondition(setCondition([], READY, 't'), { ...READY, type: 'Booted' }, 't');
  const other = setCondition(setCondition([], { ...READY, type: 'Booted' }, 't'), READY, 't');
  expect(one).toEqual(other);
});
