import { currentFlow } from '../system/current-flow.ts';
import { FairQueue } from '../system/fair-queue.ts';
import { traced } from '../telemetry/spans.ts';

export interface RunLimits {
  /** Terraform processes at once. */
  readonly total: number;
  /** Of them for one provider key, which is one libvirt host. */
  readonly perKey: number;
}

/** What terraform does, as far as turns go. */
type Work = 'make' | 'destroy';

export interface SlotUse {
  readonly key: string;
  readonly running: number;
  /** Runs that wait for their turn. */
  readonly waiting: Readonly<Record<Work, number>>;
}

interface Waiter {
  readonly key: string;
  readonly work: Work;
  readonly transfers: boolean;
  readonly go: () => void;
}

/** Runs of one key. In progress: all, and those that transfer an image. */
interface Runs {
  all: number;
  transfers: number;
  readonly waiting: Record<Work, number>;
}

/**
 * Namespaces take turns, and within each the owners and hosts, and what makes and what destroys: nobody waits for all that another tenant
 * has begun, no host for another, no deletion for creations. Runs that transfer an image take as long as its server likes, so they get half
 * of the places: of all, and of each host.
 */
export class RunSlots {
  readonly limits: RunLimits;
  /** By key, also of those that had a run and have none now. */
  readonly #runs = new Map<string, Runs>();
  readonly #waiting = new FairQueue<Waiter>();
  readonly #total = newRuns();

  constructor(limits: RunLimits) {
    this.limits = limits;
  }

  /** Runs `work` when it is its turn. */
  async within<T>(key: string, verb: string, work: () => Promise<T>, { transfers = false } = {}): Promise<T> {
    const kind: Work = verb === 'destroy' ? 'destroy' : 'make';
    const running = this.#of(key);
    const { group, name } = currentFlow();
    // One that may not go yet holds up those behind it in its flow, so each host has flows of its own.
    const flow = { group, name: JSON.stringify([name, key, kind, transfers]) };
    running.waiting[kind] += 1;
    const turn = new Promise<void>((go) => this.#waiting.add({ key, work: kind, transfers, go }, flow));
    this.#next();
    await traced('slot', {}, () => turn);
    try {
      return await work();
    } finally {
      for (const count of [running, this.#total]) {
        count.all -= 1;
        if (transfers) count.transfers -= 1;
      }
      this.#next();
    }
  }

  /** How things are, for metrics: a row for each key that has ever had a run. */
  use(): SlotUse[] {
    return [...this.#runs].map(([key, { all, waiting }]) => ({ key, running: all, waiting: { ...waiting } }));
  }

  #of(key: string): Runs {
    const runs = this.#runs.get(key) ?? newRuns();
    this.#runs.set(key, runs);
    return runs;
  }

  #mayGo({ key, transfers }: Waiter): boolean {
    const { total, perKey } = this.limits;
    const running = this.#of(key);
    if (running.all >= perKey) return false;
    return !transfers || (running.transfers < half(perKey) && this.#total.transfers < half(total));
  }

  #next(): void {
    while (this.#total.all < this.limits.total) {
      const waiter = this.#waiting.take((one) => this.#mayGo(one));
      if (!waiter) return;
      this.#of(waiter.key).waiting[waiter.work] -= 1;
      for (const count of [this.#of(waiter.key), this.#total]) {
        count.all += 1;
        if (waiter.transfers) count.transfers += 1;
      }
      waiter.go();
    }
  }
}

function half(limit: number): number {
  return Math.max(1, Math.floor(limit / 2));
}

function newRuns(): Runs {
  return { all: 0, transfers: 0, waiting: { make: 0, destroy: 0 } };
}
