/** Elects one leader among several processes, by a Lease. */

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatKey } from '../../apimachinery/object-key.ts';
import { TransientError } from '../../errors.ts';
import { abortable } from '../../system/abortable.ts';
import { formatSeconds } from '../../system/duration.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { hasReason } from '../client/api-error.ts';
import type { Client } from '../client/client.ts';
import { type Lease, LeaseKind } from '../client/lease.ts';
import { microTime } from '../client/micro-time.ts';

export interface LeaderElectionOptions {
  readonly client: Client;
  readonly namespace: string;
  /** Name of the Lease. */
  readonly name: string;
  /** Must differ between any two processes; default: host name and a random part. */
  readonly identity?: string;
  /** True if the process of that identity provably no longer runs: its Lease is then taken over at once. */
  readonly isGone?: (identity: string) => boolean;
  /** Others wait this long after the last renewal that they saw before they take over. Default 15 s. */
  readonly leaseDurationMs?: number;
  /** A leader that could not renew for this long stops. Must be less than the lease's duration. Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Between two tries. Default 2 s. */
  readonly retryPeriodMs?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Limits the time of the release when the process ends; the lease expires anyway. */
const RELEASE_TIMEOUT_MS = 5_000;

/** Says that this process is no longer the leader, and must start nothing new. */
export class LeadershipLost extends Error {
  constructor(lease: string, why: string, cause?: unknown) {
    super(`lost the lease ${lease}: ${why}`, { cause });
    this.name = 'LeadershipLost';
  }
}

/**
 * Elects one leader among several processes, by a Lease. Uses the algorithm of client-go: it trusts no other clock, only how long
 * ago this process saw the Lease change.
 */
export class LeaderElection {
  readonly identity: string;
  private readonly options: Required<Omit<LeaderElectionOptions, 'identity'>>;
  private readonly log: Logger;
  private readonly isLeader;
  private lease: Lease | undefined;
  /** When `lease` was seen to change last, or was renewed by us (before the request was sent); performance.now(). */
  private observedAt = 0;

  constructor(options: LeaderElectionOptions) {
    this.identity = options.identity ?? `${hostname()}_${randomUUID()}`;
    this.options = {
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2_000,
      isGone: () => false,
      ...options,
    };
    this.log = options.log.with({ lease: formatKey(options), identity: this.identity });
    this.isLeader = options.metrics.gauge('leader_election_master_status', 'Whether this process leads.', [
      'name',
    ]);
    this.isLeader.set(0, { name: options.name });
  }

  /**
   * Returns true if no other process can be the leader: the Lease is held, and was renewed within the deadline. Compares clock
   * times, since a timer may fire late in a busy process.
   */
  get isLeading(): boolean {
    return (
      this.lease?.spec.holderIdentity === this.identity &&
      performance.now() < this.observedAt + this.options.renewDeadlineMs
    );
  }

  /** Throws TransientError Interrupted unless this process leads. Call it before each operation that only the leader may start. */
  readonly requireLeading = (): void => {
    if (this.isLeading) return;
    throw new TransientError({
      code: 'Interrupted',
      message: `this process does not hold the lease ${formatKey(this.options)} any more, and begins nothing`,
      fix: 'nothing: the process that leads now does it',
    });
  };

  /** Resolves when this process leads; rejects when `signal` aborts before. */
  async acquire(signal: AbortSignal): Promise<void> {
    this.log.info('Waiting for the lease');
    while (!(await this.tryAcquire(signal))) {
      await sleep(this.options.retryPeriodMs * (1 + 0.2 * Math.random()), undefined, { signal });
    }
    this.isLeader.set(1, { name: this.options.name });
    this.log.info('Leading');
  }

  /** Renews the Lease until `signal` aborts, then resolves. Rejects with `LeadershipLost`. */
  async hold(signal: AbortSignal): Promise<void> {
    const { renewDeadlineMs, retryPeriodMs, name } = this.options;
    try {
      for (;;) {
        const remainingMs = () =>
          Math.max(1, Math.floor(this.observedAt + renewDeadlineMs - performance.now()));
        await sleep(Math.min(retryPeriodMs, remainingMs()), undefined, { signal }).catch(() => {});
        if (signal.aborted) return;
        try {
          const inTime = AbortSignal.timeout(remainingMs());
          // Also ends a request that waits for a credential program of the kubeconfig.
          await abortable(this.renew(inTime), inTime);
        } catch (error) {
          if (error instanceof LeadershipLost) throw error;
          this.log.warn('Lease was not renewed', { error });
          if (performance.now() - this.observedAt >= renewDeadlineMs) {
            throw this.lost(`not renewed for ${formatSeconds(renewDeadlineMs)}`, error);
          }
        }
      }
    } catch (error) {
      this.isLeader.set(0, { name });
      this.lease = undefined; // Nothing that could be released.
      throw error;
    }
  }

  /** Releases the Lease, so that another process takes over at once. Call it when all work has ended. */
  async release(): Promise<void> {
    this.isLeader.set(0, { name: this.options.name });
    if (this.lease?.spec.holderIdentity !== this.identity) return;
    try {
      const spec = {
        ...this.lease.spec,
        holderIdentity: '',
        leaseDurationSeconds: 1,
        renewTime: microTime(),
      };
      const inTime = AbortSignal.timeout(RELEASE_TIMEOUT_MS);
      await this.options.client.update(LeaseKind, { ...this.lease, spec }, { signal: inTime });
      this.log.info('Released the lease');
    } catch (error) {
      this.log.warn('Lease was not released, others wait until it expires', { error });
    }
    this.lease = undefined;
  }

  private async tryAcquire(signal: AbortSignal): Promise<boolean> {
    try {
      await this.observe(signal);
      if (this.isHeldByOther()) return false;
      await this.write(signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (!isOutdated(error)) this.log.warn('Lease was not acquired', { error });
      return false;
    }
  }

  private async renew(signal: AbortSignal): Promise<void> {
    try {
      await this.write(signal);
    } catch (error) {
      if (!isOutdated(error)) throw error;
      // It was changed: by a person, by a write of this process whose answer was lost, or by a new leader.
      const observedAt = this.observedAt;
      await this.observe(signal);
      const holder = this.lease?.spec.holderIdentity;
      if (this.lease && holder !== this.identity) throw this.lost(`held by ${holder || 'nobody'} now`);
      this.observedAt = observedAt;
      await this.write(signal);
    }
  }

  private async observe(signal: AbortSignal): Promise<void> {
    const { client, namespace, name } = this.options;
    const lease = await client.get(LeaseKind, { namespace, name }, signal);
    if (lease?.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) {
      this.observedAt = performance.now();
    }
    this.lease = lease;
  }

  private isHeldByOther(): boolean {
    const { holderIdentity, leaseDurationSeconds = 0 } = this.lease?.spec ?? {};
    if (!holderIdentity || holderIdentity === this.identity) return false;
    if (this.options.isGone(holderIdentity)) return false;
    return performance.now() < this.observedAt + leaseDurationSeconds * 1000;
  }

  /** Acquires or renews the Lease. Throws with reason Conflict or AlreadyExists if another process was faster. */
  private async write(signal: AbortSignal): Promise<void> {
    const { client, namespace, name, leaseDurationMs } = this.options;
    const sentAt = performance.now();
    const now = microTime();
    const before = this.lease?.spec;
    const renews = before?.holderIdentity === this.identity;
    const spec = {
      holderIdentity: this.identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: renews ? before.acquireTime : now,
      renewTime: now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (renews || !before ? 0 : 1),
    };
    this.lease = this.lease
      ? await client.update(LeaseKind, { ...this.lease, spec }, { signal })
      : await client.create(LeaseKind, newLease(namespace, name, spec), { signal });
    this.observedAt = sentAt;
  }

  private lost(why: string, cause?: unknown): LeadershipLost {
    return new LeadershipLost(formatKey(this.options), why, cause);
  }
}

function newLease(namespace: string, name: string, spec: Lease['spec']): Lease {
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace, name }, spec };
}

/** Returns true if another process has created, changed or deleted the Lease since it was read. */
function isOutdated(error: unknown): boolean {
  return ['Conflict', 'AlreadyExists', 'NotFound'].some((reason) => hasReason(error, reason));
}
