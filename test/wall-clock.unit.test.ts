/** Verifies that the sources measure durations with performance.now(), and not with the wall clock. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../src');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

/**
 * A clock can be set, by a person or by NTP: how long something takes, and until when it is waited for, is counted by
 * performance.now(). The wall clock is for times that others wrote, or will read.
 */
it.each([
  ['a deadline', /Date\.now\(\) \+/],
  ['a wait', /Date\.now\(\) >=? |>= Date\.now\(\)/],
  ['a duration', /Date\.now\(\) - started/i],
])('no source has %s by the wall clock', (_, pattern) => {
  const found = sources.filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')));
  expect(found).toEqual([]);
});
