/** Identifies the tenant whose work runs now, so that queues many calls below can let tenants take turns. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Flow } from './fair-queue.ts';

const NONE: Flow = { group: '', name: '' };
const flows = new AsyncLocalStorage<Flow>();

/** Runs `work`, and all that it calls, in that flow. */
export function withinFlow<T>(flow: Flow, work: () => T): T {
  return flows.run(flow, work);
}

/** Returns the flow of the caller; one of its own for what nobody in particular asked for, as a command does. */
export function currentFlow(): Flow {
  return flows.getStore() ?? NONE;
}
