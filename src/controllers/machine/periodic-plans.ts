/**
 * A `terraform plan` that nothing asked for finds what a look at libvirt cannot. Few at a time, each machine at its own
 * moment, so that those who wait for something do not wait for these.
 */

import { createHash } from 'node:crypto';
import type { Machine } from '../../api/kinds/machine.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { formatKey } from '../../apimachinery/object-key.ts';

export interface PeriodicPlanOptions {
  /** 0: never. */
  readonly intervalMs: number;
  readonly atOnce: number;
  /** Called with a machine whose turn has come, to be looked at now; absent: it asks again by itself. */
  readonly wake?: (key: ObjectKey) => void;
}

export const DEFAULT_PERIODIC_PLANS: PeriodicPlanOptions = { intervalMs: 30 * 60_000, atOnce: 1 };

interface Compared {
  readonly at: number;
  /** As the status had it then. */
  readonly written: string | undefined;
}

/** Age of the time in the status at which it is written anew. */
const REWRITE_MS = 24 * 3_600_000;
/** The interval is spread over ± this part of it. */
const JITTER = 0.1;
/** Of who waits for his turn, at least: a look at a machine is cheap, and a thousand of them every second are not. */
const RETRY_MS = 2_000;

export class PeriodicPlans {
  readonly #options: PeriodicPlanOptions;
  /** Those who were due and had to wait, the first first. */
  readonly #waiting = new Map<string, ObjectKey>();
  /** By uid, since when a machine is known to be as Terraform wants it, where its status does not say so. */
  readonly #compared = new Map<string, Compared>();
  #running = 0;
  #lastTookMs = 0;

  constructor(options: PeriodicPlanOptions = DEFAULT_PERIODIC_PLANS) {
    this.#options = options;
  }

  /** Milliseconds until the machine is due; 0: it is; undefined: it never will be. */
  dueInMs({ metadata, status }: Pick<Machine, 'metadata' | 'status'>, nowMs: number): number | undefined {
    const { intervalMs } = this.#options;
    if (intervalMs <= 0) return undefined;
    const written = status?.providerStatus?.lastPlanTime;
    if (written === undefined) return 0;
    const known = this.#compared.get(metadata.uid ?? '');
    // A time that was written since says more.
    const last = known?.written === written ? known.at : Date.parse(written);
    const jitter = 1 + JITTER * (2 * fraction(metadata.uid ?? '') - 1);
    return Math.max(0, last + intervalMs * jitter - nowMs);
  }

  /** Notes that the machine was compared now. Its status keeps the time that it has: to write it costs a request a machine. */
  compared({ metadata, status }: Pick<Machine, 'metadata' | 'status'>, nowMs: number): void {
    const uid = metadata.uid ?? '';
    this.#compared.delete(uid);
    this.#compared.set(uid, { at: nowMs, written: status?.providerStatus?.lastPlanTime });
    // Of machines that are gone nothing stays.
    for (const [oldest, { at }] of this.#compared) {
      if (at > nowMs - 2 * this.#options.intervalMs) break;
      this.#compared.delete(oldest);
    }
  }

  /** True if the time in the status is to be written anew even where nothing else is. */
  isOld({ status }: Pick<Machine, 'status'>, nowMs: number): boolean {
    const written = status?.providerStatus?.lastPlanTime;
    return written === undefined || Date.parse(written) < nowMs - REWRITE_MS;
  }

  /**
   * Runs `plan` if not too many run already; else the machine waits in line. Who is woken need not come, for example because he is
   * deleted; so all of them ask again, too, when their turn should have come by itself.
   */
  async inTurn<T>(
    key: ObjectKey,
    plan: () => Promise<T>,
  ): Promise<{ readonly done: T } | { readonly retryInMs: number }> {
    const { atOnce, wake } = this.#options;
    if (this.#running >= atOnce) {
      this.#waiting.set(formatKey(key), key);
      const turnInMs = (this.#waiting.size * this.#lastTookMs) / atOnce;
      return { retryInMs: Math.max(RETRY_MS, turnInMs) * (1 + Math.random()) };
    }
    this.#waiting.delete(formatKey(key));
    this.#running += 1;
    const started = performance.now();
    try {
      return { done: await plan() };
    } finally {
      this.#lastTookMs = performance.now() - started;
      this.#running -= 1;
      const next = this.#waiting.entries().next().value;
      if (next && wake) {
        this.#waiting.delete(next[0]);
        wake(next[1]);
      }
    }
  }
}

/** From 0 to 1, the same for the same text. */
function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32;
}
