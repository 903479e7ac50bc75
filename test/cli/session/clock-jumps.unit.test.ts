/** Verifies that `--wait` keeps its time limit when the clock is set. */

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { reconcileUntil } from '../../../src/cli/session/reconcile-until.ts';

const DAY_MS = 86_400_000;
const key = { namespace: 'default', name: 'web' };

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

/** A machine that is ready at its third reconcile, beside a clock that somebody sets. */
function waiting(timeoutMs: number, jumpMs: number, turns: number) {
  let turn = 0;
  return reconcileUntil(key, {
    reconcile: async () => {
      vi.setSystemTime(Date.now() + jumpMs);
      return { requeueAfterMs: 1 };
    },
    isDone: async () => ++turn >= turns,
    timeoutMs,
    signal: new AbortController().signal,
    onRetry: () => {},
  });
}

it('a clock that is set forward ends no wait early', async () => {
  await waiting(60_000, DAY_MS, 3);
});

it('a clock that is set back does not make a wait endless', async () => {
  await expect(waiting(5, -DAY_MS, Number.POSITIVE_INFINITY)).rejects.toMatchObject({ code: 'WaitTimeout' });
});
