/** Starts and stops informers, leader election and controllers in order. */

import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject, ResourceKind } from '../../apimachinery/object.ts';
import { resourceName } from '../../apimachinery/object-key.ts';
import type { Store } from '../../store/store.ts';
import { formatSeconds } from '../../system/duration.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { type HealthCheck, HealthServer } from './health-server.ts';
import { Informer, type InformerOptions } from './informer.ts';
import type { LeaderElection } from './leader-election.ts';

/** Runs until `signal` aborts, and resolves when its last work has ended. */
export interface Runnable {
  readonly name: string;
  /** Absent: always healthy. */
  readonly checkLiveness?: HealthCheck;
  run(signal: AbortSignal): Promise<void>;
}

export interface ManagerOptions {
  readonly store: Store;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Absent: this process always leads. */
  readonly leaderElection?: LeaderElection | undefined;
  /** Called once this process leads, before any work. What it throws ends `run`. */
  readonly begin?: (() => Promise<void>) | undefined;
  /** For /healthz, /readyz and /metrics; without it there is no server. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined;
  /** Running work gets this many milliseconds to end. Default five minutes: a terraform run must not be cut. */
  readonly shutdownTimeoutMs?: number;
}

/** Milliseconds that running work gets to end. */
export const SHUTDOWN_TIMEOUT_MS = 300_000;

/** Runs informers, leader election and controllers in the order that each needs, and ends them in the reverse one. */
export class Manager {
  private readonly options: ManagerOptions;
  private readonly log: Logger;
  private readonly informers: Informer[] = [];
  private readonly runnables: Runnable[] = [];
  private readonly liveness: Record<string, HealthCheck> = {};

  constructor(options: ManagerOptions) {
    this.options = options;
    this.log = options.log;
  }

  /** Adds an informer, which runs as long as the manager. */
  informer<T extends KubeObject>(kind: ResourceKind<T>, options: InformerOptions = {}): Informer<T> {
    const informer = new Informer(this.options.store, kind, this.log, options);
    this.informers.push(informer as unknown as Informer);
    return informer;
  }

  /** Adds a controller, or other work that only the leader does. */
  add(runnable: Runnable): this {
    this.runnables.push(runnable);
    if (runnable.checkLiveness) this.addLivenessCheck(runnable.name, runnable.checkLiveness);
    return this;
  }

  /** Adds a check; a process that fails it has to be restarted. */
  addLivenessCheck(name: string, check: HealthCheck): this {
    this.liveness[name] = check;
    return this;
  }

  /**
   * Resolves when `stop` aborted and all work has ended. Rejects when leadership was lost (`LeadershipLost`), something
   * failed, or work did not end in time; then the process should exit with an error.
   */
  async run(stop: AbortSignal): Promise<void> {
    const { leaderElection } = this.options;
    const server = this.healthServer();
    const caches = new AbortController();
    const lease = new AbortController();
    /** Aborts when work has to stop, for any reason. */
    const work = new AbortController();
    // Each informer, request and reconcile listens to one of these: more than ten is no leak.
    setMaxListeners(0, caches.signal, lease.signal, work.signal);
    let drained = true;
    let failure: { readonly error: unknown } | undefined;
    const fail = (error: unknown) => {
      failure ??= { error };
      work.abort();
    };
    stop.addEventListener('abort', () => work.abort(), { once: true });
    if (stop.aborted) work.abort();

    const port = await server?.listen();
    this.log.info('Starting', { port, work: this.runnables.map(({ name }) => name) });
    const watching = this.informers.map((informer) => informer.run(caches.signal).catch(fail));
    try {
      await untilAborted(work.signal, Promise.all(this.informers.map((informer) => informer.whenSynced())));
      if (leaderElection) await untilAborted(work.signal, leaderElection.acquire(work.signal));
      if (!work.signal.aborted) {
        leaderElection?.hold(lease.signal).catch(fail);
        await this.options.begin?.();
        drained = false;
        // Ends when `work` is aborted. The lease is held and the caches are kept up until the last piece of work is done.
        await this.work(work.signal, fail);
        drained = true;
      }
    } finally {
      lease.abort();
      // With work still running, others must wait until the lease expires.
      if (drained) await leaderElection?.release();
      caches.abort();
      await Promise.all(watching);
      await server?.close();
    }
    if (failure) throw failure.error;
    this.log.info('Stopped');
  }

  private async work(signal: AbortSignal, fail: (error: unknown) => void): Promise<void> {
    this.log.info('Working');
    const working = this.runnables.map((runnable) => runnable.run(signal).catch(fail));
    await aborted(signal);
    await this.drain(Promise.all(working));
  }

  private async drain(working: Promise<unknown>): Promise<void> {
    const timeoutMs = this.options.shutdownTimeoutMs ?? SHUTDOWN_TIMEOUT_MS;
    const timer = new AbortController();
    const late = sleep(timeoutMs, 'late', { signal: timer.signal });
    const winner = await Promise.race([working, late]).finally(() => timer.abort());
    if (winner === 'late')
      throw new Error(`work did not end within ${formatSeconds(timeoutMs)} of the shutdown`);
  }

  private healthServer(): HealthServer | undefined {
    const { listen, metrics } = this.options;
    const unsynced = () =>
      this.informers.filter((informer) => !informer.hasSynced).map(({ kind }) => resourceName(kind));
    const ready = {
      caches: () => (unsynced().length > 0 ? `waiting for ${unsynced().join(', ')}` : undefined),
    };
    return listen && new HealthServer({ ...listen, metrics, live: this.liveness, ready });
  }
}

/** Resolves with the promise, or when the signal aborts, whichever is first. Ignores later failures of the promise. */
async function untilAborted(signal: AbortSignal, promise: Promise<unknown>): Promise<void> {
  await Promise.race([
    aborted(signal),
    promise.catch((error: unknown) => {
      if (!signal.aborted) throw error;
    }),
  ]);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
