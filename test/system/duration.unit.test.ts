import { expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../src/system/duration.ts';

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
  [0, '0s'],
  [119_000, '119s'],
  [200_000, '3m20s'],
  [3_600_000, '60m'],
  [4 * 3_600_000, '4h'],
  [12 * 86_400_000, '12d'],
])('an age of %d ms reads %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
