/** Calls a reconcile function for each object that changed, with retries, and counts and logs its results. */

import { randomUUID } from 'node:crypto';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { formatKey, keyOf, parseKey } from '../../apimachinery/object-key.ts';
import { TerminalError, TransientError } from '../../errors.ts';
import type { BackoffOptions } from '../../system/backoff.ts';
import { withinFlow } from '../../system/current-flow.ts';
import { formatSeconds } from '../../system/duration.ts';
import type { Flow } from '../../system/fair-queue.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { traced, tracedSince } from '../../telemetry/spans.ts';
import { ApiError } from '../client/api-error.ts';
import type { Change, Informer } from './informer.ts';
import { WorkQueue } from './queue.ts';

export interface ReconcileContext {
  /** Each line carries the controller, the object's key and the id of this reconcile. */
  readonly log: Logger;
  /** Aborts when the controller stops: start nothing new; running work may end. */
  readonly signal: AbortSignal;
}

export interface Result {
  /** Reconciles the object again after this many milliseconds, even if nothing changed. */
  readonly requeueAfterMs?: number;
}

/**
 * Moves the actual state closer to the desired state of the object with this name, which may be gone. Level-based: it reads the
 * current state and not the change, so that many changes may lead to one call, and one change to two.
 * Throws `TransientError` to be called again later, `TerminalError` to be called again only after a change.
 */
export type Reconcile = (key: ObjectKey, context: ReconcileContext) => Promise<Result | undefined>;

export interface ControllerOptions {
  /** Of logs and metrics. */
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Number of objects that are reconciled at the same time; one object is never reconciled twice at once. Default 1. */
  readonly concurrency?: number;
  /** Of an object that fails again and again. Default 0.2 s to 5 min. */
  readonly backoff?: BackoffOptions;
  /** One reconcile that takes longer, in milliseconds, fails the liveness check. Default 10 min. */
  readonly stuckAfterMs?: number;
  /** Names the flow of an object: flows take turns, here and at the slots that reconciles wait for. Default: one flow for all. */
  readonly flowOf?: (key: ObjectKey) => Flow;
  /** Returns false to hold an object back although a worker is free; see `wake`. `running`: the objects of all workers. */
  readonly mayStart?: (key: ObjectKey, running: readonly ObjectKey[]) => boolean;
}

export interface WatchOptions<T> {
  /** Which objects to reconcile for a change of this one; default: itself. */
  readonly keys?: (object: T) => readonly ObjectKey[];
  /** Which changes count; default: all. */
  readonly when?: (change: Change<T>) => boolean;
  /** Which of these change a desired state, so that an object that failed is tried at once; default: none. */
  readonly isDesired?: (change: Change<T>) => boolean;
}

/** Each request, and each call of virsh, ends within a minute. */
const STUCK_AFTER_MS = 10 * 60_000;

type Outcome =
  | { readonly kind: 'success' }
  | { readonly kind: 'requeue_after'; readonly delayMs: number }
  | { readonly kind: 'error'; readonly error: unknown; readonly atLeastMs: number }
  | { readonly kind: 'terminal_error'; readonly error: TerminalError };

/** Calls `reconcile` for each object that changed, and again for those that failed. */
export class Controller {
  readonly name: string;
  private readonly options: ControllerOptions;
  private readonly log: Logger;
  private readonly queue: WorkQueue;
  private readonly total;
  private readonly durations;

  constructor(options: ControllerOptions) {
    const { name, metrics, backoff, flowOf, mayStart } = options;
    this.name = name;
    this.options = options;
    this.log = options.log.with({ controller: name });
    this.queue = new WorkQueue({
      name,
      metrics,
      ...(backoff && { backoff }),
      ...(flowOf && { flowOf: (item) => flowOf(parseKey(item)) }),
      ...(mayStart && { mayStart: (item, running) => mayStart(parseKey(item), running.map(parseKey)) }),
    });
    this.total = metrics.counter('controller_reconcile_total', 'Reconciles by outcome.', [
      'controller',
      'result',
    ]);
    this.durations = metrics.histogram('controller_reconcile_duration_seconds', 'Length of reconciles.', [
      'controller',
    ]);
  }

  /** Returns the keys of the objects that are being reconciled, for reports of a slow shutdown. */
  get running(): readonly string[] {
    return this.queue.running;
  }

  /** Calls `mayStart` again for objects that were held back. */
  wake(): void {
    this.queue.wake();
  }

  /** Describes an object whose reconcile takes too long; undefined: there is none. */
  readonly checkLiveness = (): string | undefined => {
    const { oldest } = this.queue;
    if (oldest === undefined || oldest.ms < (this.options.stuckAfterMs ?? STUCK_AFTER_MS)) return undefined;
    return `${oldest.item} is being reconciled for ${formatSeconds(oldest.ms)}`;
  };

  /** Reconciles when objects of this informer change. */
  watch<T extends KubeObject>(
    informer: Informer<T>,
    { keys = ownKey, when = always, isDesired = never }: WatchOptions<T> = {},
  ): this {
    informer.addHandler((change) => {
      if (!when(change)) return;
      const passesBackOff = isDesired(change);
      // Also for what the object referred to before: its previous owner has to be reconciled, too.
      for (const object of [change.object, change.before]) {
        for (const key of object ? keys(object) : []) {
          if (passesBackOff) this.enqueue(key);
          else this.notify(key);
        }
      }
    });
    return this;
  }

  /** Reconciles the object at once: its desired state has changed, or a dependency of it is there. */
  enqueue(key: ObjectKey): void {
    this.queue.add(formatKey(key));
  }

  /** Reconciles the object because of an observation; after a failure not before its back-off ends. */
  notify(key: ObjectKey): void {
    this.queue.notify(formatKey(key));
  }

  /** Works until `signal` aborts; resolves when the last reconcile has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.queue.stop();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    await Promise.all(Array.from({ length: this.options.concurrency ?? 1 }, () => this.work(signal)));
  }

  private async work(signal: AbortSignal): Promise<void> {
    for (;;) {
      const item = await this.queue.get();
      if (item === undefined) return;
      await this.handle(item, signal);
      this.queue.done(item);
    }
  }

  private async handle(item: string, signal: AbortSignal): Promise<void> {
    const log = this.log.with({ object: item, reconcileId: randomUUID().slice(0, 8) });
    const started = performance.now();
    const outcome = await traced(`reconcile ${this.name}`, { object: item }, () => {
      tracedSince('queue', this.queue.waitedMs(item));
      const key = parseKey(item);
      const work = () => this.reconcile(key, { log, signal });
      const { flowOf } = this.options;
      return flowOf ? withinFlow(flowOf(key), work) : work();
    });
    const seconds = (performance.now() - started) / 1000;
    this.durations.observe(seconds, { controller: this.name });
    this.total.inc({ controller: this.name, result: outcome.kind });

    switch (outcome.kind) {
      case 'success':
        this.queue.settle(item);
        log.debug('Reconciled', { seconds });
        break;
      case 'requeue_after':
        this.queue.forget(item);
        this.queue.addAfter(item, outcome.delayMs);
        log.debug('Reconciled, looking again later', { seconds, delayMs: outcome.delayMs });
        break;
      case 'error': {
        const delayMs = Math.round(this.queue.addRateLimited(item, outcome.atLeastMs));
        logFailure(log, outcome.error, delayMs);
        break;
      }
      case 'terminal_error':
        this.queue.backOff(item);
        log.error('Reconcile failed, waiting for a change', { error: outcome.error });
        break;
    }
  }

  private async reconcile(key: ObjectKey, context: ReconcileContext): Promise<Outcome> {
    try {
      const delayMs = (await this.options.reconcile(key, context))?.requeueAfterMs;
      return delayMs === undefined ? { kind: 'success' } : { kind: 'requeue_after', delayMs };
    } catch (error) {
      if (error instanceof TerminalError) return { kind: 'terminal_error', error };
      const atLeastMs =
        error instanceof TransientError || error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      return { kind: 'error', error, atLeastMs };
    }
  }
}

function logFailure(log: Logger, error: unknown, delayMs: number): void {
  if (error instanceof TransientError && error.code === 'Conflict') {
    log.debug('Object was changed in the meantime, retrying', { error, delayMs });
  } else if (error instanceof TransientError || error instanceof ApiError) {
    log.warn('Reconcile failed, trying again', { error, delayMs });
  } else {
    // Not an error of this program's own: a bug, and the stack says where.
    const stack = error instanceof Error ? error.stack : undefined;
    log.error('Reconcile failed unexpectedly, trying again', { error, stack, delayMs });
  }
}

function ownKey(object: KubeObject): readonly ObjectKey[] {
  return [keyOf(object)];
}

function always(): boolean {
  return true;
}

function never(): boolean {
  return false;
}
