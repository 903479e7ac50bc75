/** Creates, changes and deletes machines at random. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Machine, MachineKind } from '../../src/api/kinds/machine.ts';
import { type MachineSet, MachineSetKind } from '../../src/api/kinds/machine-set.ts';
import type { ClusterLab } from '../cluster/cluster-lab.ts';
import type { Random } from './random.ts';

const SETS = ['red', 'green', 'blue', 'grey'];
/** Of all machines, those that belong to no set. */
const SINGLE = 0.2;

export interface ChurnOptions {
  readonly lab: ClusterLab;
  readonly random: Random;
  /** Never more machines than this are asked for. */
  readonly machines: number;
  /** The longest time between two changes. */
  readonly pauseMs: number;
  /** Of each machine. */
  readonly spec: object;
}

/** Changes the sizes of sets, and creates, changes and deletes single machines. */
export class Churn {
  readonly #options: ChurnOptions;
  readonly #sizes = new Map<string, number>(SETS.map((name) => [name, 0]));
  readonly #singles = new Set<string>();
  #made = 0;
  #notes = 0;

  constructor(options: ChurnOptions) {
    this.#options = options;
  }

  /** Names of the single machines, and sizes of the sets, as they are asked for. */
  get wanted(): { readonly singles: readonly string[]; readonly sizes: ReadonlyMap<string, number> } {
    return { singles: [...this.#singles], sizes: this.#sizes };
  }

  async begin(): Promise<void> {
    const { lab, spec } = this.#options;
    await lab.apply(...SETS.map((name) => lab.fleet('MachineSet', name, { replicas: 0 }, spec)));
  }

  /** Runs until `signal` aborts; the last change asks for as many machines as allowed. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, pauseMs } = this.#options;
    await this.#all();
    while (!signal.aborted) {
      await sleep(random.next() * pauseMs, undefined, { signal }).catch(() => {});
      await this.#wish();
    }
    await this.#all();
  }

  async deleteAll(): Promise<void> {
    const { client } = this.#options.lab;
    for (const name of this.#singles) await client.delete(MachineKind, keyOf(name));
    for (const name of SETS) await client.delete(MachineSetKind, keyOf(name));
  }

  async #wish(): Promise<void> {
    const { random } = this.#options;
    const single = random.pick([...this.#singles]);
    const what = random.next();
    if (what < 0.5) return this.#resize(random.pick(SETS) ?? '', random.below(this.#mostOfSet + 1));
    if (single === undefined || (what < 0.75 && this.#singles.size < this.#mostSingles))
      return this.#create();
    return what < 0.9 ? this.#delete(single) : this.#change(single);
  }

  async #all(): Promise<void> {
    while (this.#singles.size < this.#mostSingles) await this.#create();
    for (const name of SETS) await this.#resize(name, this.#mostOfSet);
  }

  get #mostSingles(): number {
    return this.#options.machines - SETS.length * this.#mostOfSet;
  }

  get #mostOfSet(): number {
    return Math.floor((this.#options.machines * (1 - SINGLE)) / SETS.length);
  }

  async #resize(name: string, replicas: number): Promise<void> {
    this.#sizes.set(name, replicas);
    const patch = { spec: { replicas } };
    await this.#options.lab.client.patch<MachineSet>(MachineSetKind, keyOf(name), patch);
  }

  async #create(): Promise<void> {
    const { lab, spec } = this.#options;
    this.#made += 1;
    const name = `single-${this.#made}`;
    this.#singles.add(name);
    await lab.client.create<Machine>(MachineKind, lab.machine(name, spec) as Machine);
  }

  async #delete(name: string): Promise<void> {
    this.#singles.delete(name);
    await this.#options.lab.client.delete(MachineKind, keyOf(name));
  }

  /** Something that only Terraform knows: an apply in place, and no guest that is started for it. */
  async #change(name: string): Promise<void> {
    this.#notes += 1;
    const terraform = { resource: { terraform_data: { note: { input: `${this.#notes}` } } } };
    await this.#options.lab.client.patch<Machine>(MachineKind, keyOf(name), {
      spec: { providerSpec: { terraform } },
    });
  }
}

const keyOf = (name: string) => ({ namespace: 'default', name });
