/** Verifies how durations are read and printed. */

import { expect, it } from 'vitest';
import { formatDuration, formatSeconds, parseDuration, parseWait } from '../../src/system/duration.ts';

it.each([
  ['90s', 90_000],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['250ms', 250],
  ['1.5s', 1_500],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text, '--wait')).toBe(ms);
});

it.each(['', '5', 'm', '5 m', '-5m', '5d'])('%j is refused with examples', (text) => {
  expect(() => parseDuration(text, '--wait')).toThrow(
    expect.objectContaining({ code: 'InvalidConfiguration' }),
  );
});

it.each([
  ['0s', 1_000, 'too short'],
  ['999ms', 1_000, 'too short'],
  ['480h1s', 0, 'too long'],
  // At 2^31 milliseconds a timer fires at once, and again, and again.
  ['597h', 0, 'too long'],
  ['999999999999h', 0, 'too long'],
])('an interval of %s, with at least %d ms, is refused', (text, least, why) => {
  expect(() => parseWait(text, '--sweep-interval', least)).toThrow(
    expect.objectContaining({ code: 'InvalidConfiguration', message: expect.stringContaining(why) }),
  );
});

it('the longest interval fits into a timer, with its jitter', () => {
  expect(parseWait('480h', '--sweep-interval') * 1.2).toBeLessThan(2 ** 31);
});

it.each([
  [0, '0s'],
  [119_000, '119s'],
  [200_000, '3m20s'],
  [3_600_000, '60m'],
  [4 * 3_600_000, '4h'],
  [12 * 86_400_000, '12d'],
])('an age of %d ms reads %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

it.each([
  [0, '0 s'],
  [420, '0.4 s'],
  [3_000, '3 s'],
  [9_440, '9.4 s'],
  [75_400, '75 s'],
])('%d ms last %s', (ms, text) => {
  expect(formatSeconds(ms)).toBe(text);
});
