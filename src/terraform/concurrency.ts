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
  readonly go: () => void;
}

/** Runs of one key. */
interface Runs {
  running: number;
  readonly waiting: Record<Work, number>;
}

/**
 * Namespaces take turns, and within each the owners and hosts, and what makes and what destroys: nobody waits for all that another tenant
 * has begun, no host for another, no deletion for creations.
 */
export class RunSlots {
  readonly limits: RunLimits;
  /** By key, also of those that had a run and have none now. */
  readonly #runs = new Map<string, Runs>();
  readonly #waiting = new FairQueue<Waiter>();
  #taken = 0;

  constructor(limits: RunLimits) {
    this.limits = limits;
  }

  /** Runs `work` when it is its turn. */
  async within<T>(key: string, verb: string, work: () => Promise<T>): Promise<T> {
    const kind: Work = verb === 'destroy' ? 'destroy' : 'make';
    const runs = this.#of(key);
    const { group, name } = currentFlow();
    // One that may not go yet holds up those behind it in its flow, so each host has flows of its own.
    const flow = { group, name: JSON.stringify([name, key, kind]) };
    runs.waiting[kind] += 1;
    const turn = new Promise<void>((go) => this.#waiting.add({ key, work: kind, go }, flow));
    this.#next();
    await traced('slot', {}, () => turn);
    try {
      return await work();
    } finally {
      this.#taken -= 1;
      runs.running -= 1;
      this.#next();
    }
  }

  /** How things are, for metrics: a row for each key that has ever had a run. */
  use(): SlotUse[] {
    return [...this.#runs].map(([key, { running, waiting }]) => ({ key, running, waiting: { ...waiting } }));
  }

  #of(key: string): Runs {
    const runs = this.#runs.get(key) ?? { running: 0, waiting: { make: 0, destroy: 0 } };
    this.#runs.set(key, runs);
    return runs;
  }

  #next(): void {
    while (this.#taken < this.limits.total) {
      const waiter = this.#waiting.take(({ key }) => this.#of(key).running < this.limits.perKey);
      if (!waiter) return;
      const runs = this.#of(waiter.key);
      runs.waiting[waiter.work] -= 1;
      runs.running += 1;
      this.#taken += 1;
      waiter.go();
    }
  }
}
