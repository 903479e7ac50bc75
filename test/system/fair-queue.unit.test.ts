/** Verifies that the flows of a fair queue take turns. */

import { expect, it } from 'vitest';
import { FairQueue } from '../../src/system/fair-queue.ts';

function filled(): FairQueue<string> {
  const queue = new FairQueue<string>();
  for (const item of ['a1', 'a2', 'a3', 'b1']) queue.add(item, { group: '', name: item.charAt(0) });
  return queue;
}

it('a long flow delays another by one item, not by its length', () => {
  const queue = filled();
  expect([queue.take(), queue.take(), queue.take(), queue.take(), queue.take()]).toEqual([
    'a1',
    'b1',
    'a2',
    'a3',
    undefined,
  ]);
});

it('what may not go yet holds up its own flow only, and keeps its turn', () => {
  const queue = filled();
  expect(queue.take((item) => item !== 'a1')).toBe('b1');
  expect(queue.take((item) => item !== 'a1')).toBeUndefined();
  expect(queue.take()).toBe('a1');
});

it('a group of many flows gets no more turns than one of a single flow', () => {
  const queue = new FairQueue<string>();
  for (const item of ['a1', 'a2', 'a3', 'a4']) queue.add(item, { group: 'crowd', name: item });
  for (const item of ['b1', 'b2']) queue.add(item, { group: 'alone', name: 'b' });
  expect(Array.from({ length: 6 }, () => queue.take())).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'a4']);
});

it('what may not go yet holds up no other flow of its group', () => {
  const queue = new FairQueue<string>();
  for (const item of ['a1', 'a2', 'b1']) queue.add(item, { group: 'one', name: item.charAt(0) });
  expect(queue.take((item) => item !== 'a1')).toBe('b1');
  expect(Array.from({ length: 3 }, () => queue.take())).toEqual(['a1', 'a2', undefined]);
});
