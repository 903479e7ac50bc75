/** Verifies that a loop over much input lets other work run, so that a large host delays no other host. */

import { expect, it } from 'vitest';
import { Turn } from '../../src/system/turn.ts';

it('other work waits for no loop that has taken long', async () => {
  let others = 0;
  setImmediate(() => {
    others += 1;
  });
  const turn = new Turn();
  const end = performance.now() + 60;
  while (performance.now() < end);
  await turn.yieldIfLong();
  expect(others).toBe(1);
});
