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

/** Nobody should wait longer for a process to end; the lease expires anyway. */
const RELEASE_TIMEOUT_MS = 5_000;

/** This process does not lead any more, and another may: it must begin nothing new. */
export class LeadershipLost extends Error {
  constructor(lease: string, why: string, cause?: unknown) {
    super(`lost the lease ${lease}: ${why}`, { cause });
    this.name = 'LeadershipLost';
  }
}

/**
 * One leader among several processes, by a Lease. The algorithm is client-go's: it trusts no other clock, only how long
 * ago a change of the Lease was seen here.
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
   * True if nobody else can lead: the Lease is held, and was renewed within the deadline. By the clock, and not by a timer that a busy
   * process may be late for.
   */
  get isLeading(): boolean {
    return (
      this.lease?.spec.holderIdentity === this.identity &&
      performance.now() < this.observedAt + this.options.renewDeadlineMs
    );
  }

  /** Call it before each thing that only the leader may begin. Throws TransientError Interrupted. */
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
          // Whatever the request waits for: also a program of the kubeconfig that prints no credential.
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

  /** Lets another take over at once. Call it when all work has ended. */
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
      // Someone wrote it: a person with kubectl, or our own write whose answer was lost, or a new leader.
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

  /** Makes us the holder, or renews. Reason Conflict or AlreadyExists if someone else was faster. */
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

/** What we know of the Lease is no longer so: it was changed, made or deleted by someone else. */
function isOutdated(error: unknown): boolean {
  return ['Conflict', 'AlreadyExists', 'NotFound'].some((reason) => hasReason(error, reason));
}
