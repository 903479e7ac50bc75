/** Verifies that a wait with a limit ends in time, and as its work does. */

import { expect, it } from 'vitest';
import { within } from '../../src/system/abortable.ts';

const LONG_MS = 60_000;
const late = () => new Error('late');

it('a caller has the result of work that ends in time', async () => {
  await expect(within(Promise.resolve('done'), LONG_MS, late)).resolves.toBe('done');
});

it('a caller has the failure of work that fails in time', async () => {
  await expect(within(Promise.reject(new Error('failed')), LONG_MS, late)).rejects.toThrow('failed');
});

it('a caller waits no longer than the limit, and the work goes on', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await expect(within(promise, 1, late)).rejects.toThrow('late');
  resolve('done');
  await expect(promise).resolves.toBe('done');
});
