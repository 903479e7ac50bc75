/** When an object is reconciled again although nothing changed. */

import type { Result } from '../../kube/runtime/controller.ts';

/** Returns the soonest of several; `undefined` among them asks for nothing. Milliseconds. */
export function requeueSoonest(...delaysMs: readonly (number | undefined)[]): Result {
  const asked = delaysMs.filter((ms) => ms !== undefined);
  return asked.length > 0 ? { requeueAfterMs: Math.min(...asked) } : {};
}
