import { expect, it } from 'vitest';
import { retryAfterMs } from '../../src/intent/allowed-fetch.ts';

const asked = (text?: string) =>
  retryAfterMs(new Response('', text ? { headers: { 'retry-after': text } } : {}));

it('takes seconds and dates, and no more than an hour, for a machine would seem to hang', () => {
  expect(asked('120')).toBe(120_000);
  expect(asked('Fri, 31 Dec 1999 23:59:59 GMT')).toBe(0);
  expect(asked(new Date(Date.now() + 86_400_000).toUTCString())).toBe(3_600_000);
  expect(asked('99999999999999999999')).toBe(3_600_000);
});

it('is not held up by what nobody can read', () => {
  expect(asked()).toBeUndefined();
  expect(asked('soon')).toBeUndefined();
});
