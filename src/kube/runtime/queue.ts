/** Queues the keys of objects for workers: each once, with backoff and a rate limit for those that failed. */

import { type BackoffOptions, backoffDelay } from '../../system/backoff.ts';
import { FairQueue, type Flow } from '../../system/fair-queue.ts';
import { type RateLimit, TokenBucket } from '../../system/token-bucket.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

export interface WorkQueueOptions {
  /** Label of the metrics. */
  readonly name: string;
  readonly metrics: Metrics;
  /** Of one item that fails again and again. */
  readonly backoff?: BackoffOptions;
  /** Of all items that are put back because they failed. */
  readonly rateLimit?: RateLimit;
  /** Items of different flows take turns; default: all are of one. */
  readonly flowOf?: (item: string) => Flow;
  /** False: a worker that has it would be held up as others are. Asked again when a worker is done, and by `wake`. */
  readonly mayStart?: (item: string, running: readonly string[]) => boolean;
}

const ONE_FLOW: Flow = { group: '', name: '' };
const BACKOFF = { baseMs: 200, maxMs: 300_000 };
/** Beyond this, setTimeout fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const RATE_LIMIT = { perSecond: 10, burst: 100 };

/**
 * Queues keys of objects that need work. A key is in the queue at most once, and one worker has it at a time: a key that is added
 * while a worker has it comes back after `done`. The semantics are those of client-go's workqueue.
 */
export class WorkQueue {
  private readonly backoff: BackoffOptions;
  private readonly bucket: TokenBucket;
  /** Waiting for a worker, with the time at which they came (performance.now()). */
  private readonly waiting = new Map<string, number>();
  private readonly turns = new FairQueue<string>();
  private readonly flowOf: (item: string) => Flow;
  private readonly mayStart: (item: string, running: readonly string[]) => boolean;
  private readonly processing = new Map<string, { readonly startedAt: number; readonly waitedMs: number }>();
  /** Added again while processing. */
  private readonly dirty = new Set<string>();
  /** Observed while processing. */
  private readonly observed = new Set<string>();
  private readonly timers = new Map<string, { readonly dueAt: number; readonly timer: NodeJS.Timeout }>();
  private readonly failures = new Map<string, number>();
  /** End of the back-off of an item that failed (performance.now()). */
  private readonly retryAt = new Map<string, number>();
  private readonly workers: ((item: string | undefined) => void)[] = [];
  private readonly labels: { readonly name: string };
  private readonly adds;
  private readonly retries;
  private readonly queueTime;
  private readonly workTime;
  private stopped = false;

  constructor({
    name,
    metrics,
    backoff = BACKOFF,
    rateLimit = RATE_LIMIT,
    flowOf = () => ONE_FLOW,
    mayStart = () => true,
  }: WorkQueueOptions) {
    this.flowOf = flowOf;
    this.mayStart = mayStart;
    this.backoff = backoff;
    this.bucket = new TokenBucket(rateLimit);
    this.labels = { name };
    this.adds = metrics.counter('workqueue_adds_total', 'Items added.', ['name']);
    this.retries = metrics.counter('workqueue_retries_total', 'Items put back because they failed.', [
      'name',
    ]);
    this.queueTime = metrics.histogram(
      'workqueue_queue_duration_seconds',
      'How long items wait for a worker.',
      ['name'],
    );
    this.workTime = metrics.histogram(
      'workqueue_work_duration_seconds',
      'How long workers take for an item.',
      ['name'],
    );
    const depth = metrics.gauge('workqueue_depth', 'Items that wait for a worker.', ['name']);
    const running = metrics.gauge('workqueue_running', 'Items that a worker has.', ['name']);
    const longest = metrics.gauge(
      'workqueue_longest_running_processor_seconds',
      'How long a worker has had its item, of the one that has had it for longest.',
      ['name'],
    );
    metrics.onCollect(() => {
      depth.set(this.waiting.size, this.labels);
      running.set(this.processing.size, this.labels);
      longest.set((this.oldest?.ms ?? 0) / 1000, this.labels);
    });
  }

  /** Returns the number of items that wait for a worker, without delayed ones. */
  get length(): number {
    return this.waiting.size;
  }

  /** Items that a worker has. */
  get running(): readonly string[] {
    return [...this.processing.keys()];
  }

  /** Returns the item that a worker has had longest, with its milliseconds; undefined: no worker has one. */
  get oldest(): { readonly item: string; readonly ms: number } | undefined {
    // A Map keeps the order in which items came in.
    for (const [item, { startedAt }] of this.processing) return { item, ms: performance.now() - startedAt };
    return undefined;
  }

  /** Adds the item at once, because its desired state changed; forgets earlier failures, since it may work now. */
  add(item: string): void {
    this.forget(item);
    if (this.processing.has(item)) this.dirty.add(item);
    else this.enqueue(item);
  }

  /**
   * Adds the item because of an observation. After a failure it still waits for the end of its back-off: its own work may have
   * caused the observation, and would cause it again and again.
   */
  notify(item: string): void {
    if (this.processing.has(item)) this.observed.add(item);
    else this.addAfter(item, (this.retryAt.get(item) ?? 0) - performance.now());
  }

  private enqueue(item: string): void {
    if (this.stopped || this.waiting.has(item)) return;
    if (this.processing.has(item)) {
      this.observed.add(item);
      return;
    }
    this.adds.inc(this.labels);
    this.waiting.set(item, performance.now());
    this.turns.add(item, this.flowOf(item));
    this.handOut();
  }

  /** Adds the item after `delayMs`, or when it was to be added anyway, if that is sooner. */
  addAfter(item: string, delayMs: number): void {
    if (this.stopped) return;
    if (delayMs <= 0) {
      this.enqueue(item);
      return;
    }
    const dueAt = performance.now() + delayMs;
    const pending = this.timers.get(item);
    if (pending && pending.dueAt <= dueAt) return;
    clearTimeout(pending?.timer);
    const timer = setTimeout(
      () => {
        this.timers.delete(item);
        this.enqueue(item);
      },
      Math.min(delayMs, LONGEST_TIMER_MS),
    );
    this.timers.set(item, { dueAt, timer });
  }

  /** Adds a failed item after its back-off, which grows each time, and not before `atLeastMs`. Returns the delay in milliseconds. */
  addRateLimited(item: string, atLeastMs = 0): number {
    this.retries.inc(this.labels);
    const delayMs = Math.max(this.backOff(item, atLeastMs), this.bucket.reserve());
    this.addAfter(item, delayMs);
    return delayMs;
  }

  /** Counts a failure without putting the item back: `notify` adds it after its back-off. Returns that in milliseconds. */
  backOff(item: string, atLeastMs = 0): number {
    const failures = (this.failures.get(item) ?? 0) + 1;
    this.failures.set(item, failures);
    const delayMs = Math.max(atLeastMs, backoffDelay(failures, this.backoff));
    this.retryAt.set(item, performance.now() + delayMs);
    return delayMs;
  }

  /** Resets the back-off of an item that did not fail. */
  forget(item: string): void {
    this.failures.delete(item);
    this.retryAt.delete(item);
  }

  /** Drops delayed adds of the item, which may be gone; only a later change adds it again. */
  settle(item: string): void {
    this.forget(item);
    clearTimeout(this.timers.get(item)?.timer);
    this.timers.delete(item);
  }

  /** Returns how long an item waited for the worker that has it, in milliseconds. */
  waitedMs(item: string): number {
    return this.processing.get(item)?.waitedMs ?? 0;
  }

  /** Resolves with the next item; call `done` with it. Undefined once the queue is stopped. */
  get(): Promise<string | undefined> {
    return new Promise((resolve) => {
      if (this.stopped) return resolve(undefined);
      this.workers.push(resolve);
      this.handOut();
    });
  }

  /** Returns an item, however its work ended. */
  done(item: string): void {
    const work = this.processing.get(item);
    if (!work) return;
    this.processing.delete(item);
    this.workTime.observe((performance.now() - work.startedAt) / 1000, this.labels);
    const wasObserved = this.observed.delete(item);
    if (this.dirty.delete(item)) this.add(item);
    else if (wasObserved) this.notify(item);
    this.handOut();
  }

  /** Asks again whether items may start. Call it when the answer may have changed. */
  wake(): void {
    this.handOut();
  }

  /** Hands out no more items, and drops those that wait. Level-based work is found again at the next start. */
  stop(): void {
    this.stopped = true;
    this.waiting.clear();
    this.turns.clear();
    this.dirty.clear();
    this.observed.clear();
    for (const { timer } of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    for (const resolve of this.workers.splice(0)) resolve(undefined);
  }

  private handOut(): void {
    while (this.workers.length > 0) {
      const running = this.running;
      const item = this.turns.take((one) => this.mayStart(one, running));
      if (item === undefined) return;
      const now = performance.now();
      const waitedMs = now - (this.waiting.get(item) ?? now);
      this.waiting.delete(item);
      this.processing.set(item, { startedAt: now, waitedMs });
      this.queueTime.observe(waitedMs / 1000, this.labels);
      this.workers.shift()?.(item);
    }
  }
}
