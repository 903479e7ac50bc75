/** Limits a rate, with room for bursts. */

export interface RateLimit {
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** Tokens at the start, and at most. */
  readonly burst: number;
}

/** Allows bursts, and a steady rate in the long run. */
export class TokenBucket {
  private readonly limit: RateLimit;
  private tokens: number;
  private updatedAt = performance.now();

  constructor(limit: RateLimit) {
    this.limit = limit;
    this.tokens = limit.burst;
  }

  /** Takes a token if there is one. */
  tryTake(): boolean {
    this.refill();
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  /** Takes `count` tokens, on credit if need be; returns after how many milliseconds they may be used. */
  reserve(count = 1): number {
    this.refill();
    this.tokens -= count;
    return this.tokens >= 0 ? 0 : (-this.tokens / this.limit.perSecond) * 1000;
  }

  private refill(): void {
    const now = performance.now();
    const earned = ((now - this.updatedAt) / 1000) * this.limit.perSecond;
    this.tokens = Math.min(this.limit.burst, this.tokens + earned);
    this.updatedAt = now;
  }
}
