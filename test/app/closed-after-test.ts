/** Closes what a test has opened, the last first, when the test ends. */

import { onTestFinished } from 'vitest';

/** Returns what it is given. */
export function closedAfterTest<T extends { close(): void }>(one: T): T {
  onTestFinished(() => one.close());
  return one;
}
