/** Limits how many terraform processes run at once: in all, for each host and for each namespace. */

import { currentFlow } from '../system/current-flow.ts';
import { FairQueue } from '../system/fair-queue.ts';
import { traced } from '../telemetry/spans.ts';

export interface RunLimits {
  /** Terraform processes at once. */
  readonly total: number;
  /** Of them for one provider key, which is one libvirt host. */
  readonly perKey: number;
  /**
   * One namespace leaves the last place, of all and of each key, to others: for runs that take as long as whoever they are for likes.
   * Those of no namespace, as of a command, take all.
   */
  readonly leavesLast?: boolean;
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
  /** The namespace that it is for; empty: none. */
  readonly group: string;
  readonly work: Work;
  readonly go: () => void;
}

/** Runs in progress. */
interface Running {
  all: number;
  /** Of each namespace that has any. */
  readonly byGroup: Map<string, number>;
}

/** Runs of one key. */
interface Runs extends Running {
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
  readonly #total = newRunning();

  constructor(limits: RunLimits) {
    this.limits = limits;
  }

  /** Waits for a turn. Call what it returns when the run has ended. */
  async enter(key: string, verb: string): Promise<() => void> {
    const kind: Work = verb === 'destroy' ? 'destroy' : 'make';
    const runs = this.#of(key);
    const { group, name } = currentFlow();
    // One that may not go yet holds up those behind it in its flow, so each host has flows of its own.
    const flow = { group, name: JSON.stringify([name, key, kind]) };
    runs.waiting[kind] += 1;
    const turn = new Promise<void>((go) => this.#waiting.add({ key, group, work: kind, go }, flow));
    this.#next();
    await traced('slot', {}, () => turn);
    return () => {
      for (const running of [this.#total, runs]) count(running, group, -1);
      this.#next();
    };
  }

  /** How things are, for metrics: a row for each key that has ever had a run. */
  use(): SlotUse[] {
    return [...this.#runs].map(([key, { all, waiting }]) => ({ key, running: all, waiting: { ...waiting } }));
  }

  #of(key: string): Runs {
    const runs = this.#runs.get(key) ?? { ...newRunning(), waiting: { make: 0, destroy: 0 } };
    this.#runs.set(key, runs);
    return runs;
  }

  #mayGo({ key, group }: Waiter): boolean {
    const { total, perKey, leavesLast = false } = this.limits;
    const hasPlace = ({ all, byGroup }: Running, places: number) =>
      all < (leavesLast && group !== '' && byGroup.has(group) ? places - 1 : places);
    return hasPlace(this.#total, total) && hasPlace(this.#of(key), perKey);
  }

  #next(): void {
    while (this.#total.all < this.limits.total) {
      const waiter = this.#waiting.take((one) => this.#mayGo(one));
      if (!waiter) return;
      const runs = this.#of(waiter.key);
      runs.waiting[waiter.work] -= 1;
      for (const running of [this.#total, runs]) count(running, waiter.group, 1);
      waiter.go();
    }
  }
}

function newRunning(): Running {
  return { all: 0, byGroup: new Map() };
}

function count(running: Running, group: string, change: 1 | -1): void {
  running.all += change;
  const ofGroup = (running.byGroup.get(group) ?? 0) + change;
  if (ofGroup > 0) running.byGroup.set(group, ofGroup);
  else running.byGroup.delete(group);
}
