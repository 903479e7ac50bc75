/**
 * A `terraform plan` that nothing asked for finds what a look at libvirt cannot. Few at a time, each machine at its own
 * moment, so that those who wait for something do not wait for these.
 */

import { createHash } from 'node:crypto';
import type { Machine } from '../../api/machine.ts';

export interface PeriodicPlanOptions {
  /** 0: never. */
  readonly intervalMs: number;
  readonly atOnce: number;
}

export const DEFAULT_PERIODIC_PLANS: PeriodicPlanOptions = { intervalMs: 30 * 60_000, atOnce: 1 };

/** The interval is spread over ± this part of it. */
const JITTER = 0.1;
const RETRY_MS = 2_000;

export class PeriodicPlans {
  readonly #options: PeriodicPlanOptions;
  #running = 0;

  constructor(options: PeriodicPlanOptions = DEFAULT_PERIODIC_PLANS) {
    this.#options = options;
  }

  /** Milliseconds until the machine is due; 0: it is; undefined: it never will be. */
  dueInMs({ metadata, status }: Pick<Machine, 'metadata' | 'status'>, nowMs: number): number | undefined {
    const { intervalMs } = this.#options;
    if (intervalMs <= 0) return undefined;
    const last = status?.providerStatus?.lastPlanTime;
    const jitter = 1 + JITTER * (2 * fraction(metadata.uid ?? '') - 1);
    return last === undefined ? 0 : Math.max(0, Date.parse(last) + intervalMs * jitter - nowMs);
  }

  /** Runs `plan` if not too many run already; else says when to ask again. */
  async inTurn<T>(plan: () => Promise<T>): Promise<{ readonly done: T } | { readonly retryInMs: number }> {
    if (this.#running >= this.#options.atOnce) return { retryInMs: RETRY_MS * (1 + Math.random()) };
    this.#running += 1;
    try {
      return { done: await plan() };
    } finally {
      this.#running -= 1;
    }
  }
}

/** From 0 to 1, the same for the same text. */
function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32;
}
