import { FairQueue, type Flow } from '../system/fair-queue.ts';
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
  readonly transfers: boolean;
  readonly go: () => void;
}

/** Runs in progress: all, and those that transfer an image. */
interface Running {
  all: number;
  transfers: number;
}

/**
 * Hosts take turns, and so do what makes and what destroys: no host waits for another's, no deletion for creations. Runs that transfer an
 * image take as long as its server likes, so they get half of the places: of all, and of each host.
 */
export class RunSlots {
  readonly limits: RunLimits;
  /** By key, also of those that had a run and have none now. */
  readonly #running = new Map<string, Running>();
  readonly #waiting = new FairQueue<Waiter>();
  readonly #total: Running = { all: 0, transfers: 0 };

  constructor(limits: RunLimits) {
    this.limits = limits;
  }

  /** Runs `work` when it is its turn. */
  async within<T>(key: string, verb: string, work: () => Promise<T>, { transfers = false } = {}): Promise<T> {
    const kind = transfers ? 'transfer' : verb === 'destroy' ? 'destroy' : 'make';
    const running = this.#of(key);
    const turn = new Promise<void>((go) => this.#waiting.add({ key, transfers, go }, flowOf(kind, key)));
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
    const waiting = (work: Work | 'transfer', key: string) => this.#waiting.length(flowOf(work, key));
    return [...this.#running].map(([key, { all }]) => ({
      key,
      running: all,
      waiting: {
        make: waiting('make', key) + waiting('transfer', key),
        destroy: waiting('destroy', key),
      },
    }));
  }

  #of(key: string): Running {
    const running = this.#running.get(key) ?? { all: 0, transfers: 0 };
    this.#running.set(key, running);
    return running;
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

function flowOf(work: Work | 'transfer', key: string): Flow {
  return { group: key, name: work };
}
