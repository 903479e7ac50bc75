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
  readonly go: () => void;
}

/** Hosts take turns, and so do what makes and what destroys: no host waits for another's, no deletion for creations. */
export class RunSlots {
  readonly limits: RunLimits;
  /** By key, also of those that had a run and have none now. */
  readonly #running = new Map<string, number>();
  readonly #waiting = new FairQueue<Waiter>();
  #taken = 0;

  constructor(limits: RunLimits) {
    this.limits = limits;
  }

  /** Runs `work` when it is its turn. */
  async within<T>(key: string, verb: string, work: () => Promise<T>): Promise<T> {
    const flow = flowOf(verb === 'destroy' ? 'destroy' : 'make', key);
    this.#running.set(key, this.#of(key));
    const turn = new Promise<void>((go) => this.#waiting.add({ key, go }, flow));
    this.#next();
    await traced('slot', {}, () => turn);
    try {
      return await work();
    } finally {
      this.#taken -= 1;
      this.#running.set(key, this.#of(key) - 1);
      this.#next();
    }
  }

  /** How things are, for metrics: a row for each key that has ever had a run. */
  use(): SlotUse[] {
    const waiting = (work: Work, key: string) => this.#waiting.length(flowOf(work, key));
    return [...this.#running].map(([key, running]) => ({
      key,
      running,
      waiting: { make: waiting('make', key), destroy: waiting('destroy', key) },
    }));
  }

  #of(key: string): number {
    return this.#running.get(key) ?? 0;
  }

  #next(): void {
    while (this.#taken < this.limits.total) {
      const waiter = this.#waiting.take(({ key }) => this.#of(key) < this.limits.perKey);
      if (!waiter) return;
      this.#taken += 1;
      this.#running.set(waiter.key, this.#of(waiter.key) + 1);
      waiter.go();
    }
  }
}

function flowOf(work: Work, key: string): Flow {
  return { group: key, name: work };
}
