/** Computes the delay after failures in a row. */

export interface BackoffOptions {
  /** Delay after the first failure, in milliseconds. */
  readonly baseMs: number;
  /** No delay is longer than this, in milliseconds. */
  readonly maxMs: number;
}

/**
 * Delay in milliseconds after the given number of consecutive failures (1 is the first): doubles each time, and is
 * spread over ±20 % so that what failed together does not come back together.
 */
export function backoffDelay(failures: number, { baseMs, maxMs }: BackoffOptions): number {
  const exponential = baseMs * 2 ** Math.min(failures - 1, 30);
  return Math.min(maxMs, exponential) * (0.8 + Math.random() * 0.4);
}

/** Counts failures in a row. */
export class Backoff {
  private failures = 0;
  private readonly options: BackoffOptions;

  constructor(options: BackoffOptions) {
    this.options = options;
  }

  /** Milliseconds to wait after one more failure. */
  next(): number {
    this.failures += 1;
    return backoffDelay(this.failures, this.options);
  }

  reset(): void {
    this.failures = 0;
  }
}
