import { FairQueue } from '../fair-queue.ts';
import { traced } from '../tracing.ts';

export interface RunLimits {
  /** Terraform processes at once. */
  readonly total: number;
  /** Of them for one provider key, which is one libvirt host. */
  readonly perKey: number;
}

interface Waiter {
  readonly key: string;
  readonly go: () => void;
}

/** Hosts take turns, and so do what makes and what destroys: no host waits for another's, no deletion for creations. */
export class RunSlots {
  readonly #limits: RunLimits;
  readonly #running = new Map<string, number>();
  readonly #waiting = new FairQueue<Waiter>();
  #taken = 0;

  constructor(limits: RunLimits) {
    this.#limits = limits;
  }

  /** Runs `work` when it is its turn. */
  async within<T>(key: string, verb: string, work: () => Promise<T>): Promise<T> {
    const flow = `${verb === 'destroy' ? 'destroy' : 'make'} ${key}`;
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

  #of(key: string): number {
    return this.#running.get(key) ?? 0;
  }

  #next(): void {
    while (this.#taken < this.#limits.total) {
      const waiter = this.#waiting.take(({ key }) => this.#of(key) < this.#limits.perKey);
      if (!waiter) return;
      this.#taken += 1;
      this.#running.set(waiter.key, this.#of(waiter.key) + 1);
      waiter.go();
    }
  }
}
