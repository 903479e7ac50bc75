/** Runs benchmarks one after another, and leaves nothing behind, however a run ends. */

import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { Bench, Benchmark, Size } from './benchmark.ts';
import { measureResults, type Run, type Samples, verdicts } from './report.ts';

type Cleanup = () => Promise<unknown>;

/** Time for a benchmark to end after its lab was removed. */
const GIVE_UP_MS = 5_000;

export class Runner {
  readonly #size: Size;
  readonly #command: string;
  readonly #say: (line: string) => void;
  readonly #cleanups: Cleanup[] = [];
  #isStopping = false;

  constructor(options: {
    readonly size: Size;
    readonly command: string;
    readonly say: (line: string) => void;
  }) {
    this.#size = options.size;
    this.#command = options.command;
    this.#say = options.say;
  }

  /** A benchmark that fails is a run with an error, and what it measured until then. */
  async run(benchmark: Benchmark): Promise<Run> {
    const { name, title } = benchmark;
    const counts = benchmark.counts[this.#size];
    const date = new Date();
    const loadBefore = loadavg()[0] ?? 0;
    const samples: Samples = new Map();
    const notes: string[] = [];
    this.#say(`${name}: ${title}`);
    const directory = await mkdtemp(join(tmpdir(), 'caplv-bench-'));
    const running = benchmark.run(this.#bench(name, directory, date, samples, notes), counts).then(
      () => undefined,
      (reason: unknown) => (reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)),
    );
    this.#cleanups.unshift(async () => {
      // It may still write there.
      await Promise.race([running, sleep(GIVE_UP_MS, undefined, { ref: false })]);
      await rm(directory, { recursive: true, force: true });
    });
    const error = await running;
    // The process is about to end, and must begin nothing more.
    if (this.#isStopping) await new Promise<never>(() => {});
    await this.#cleanUp();
    return {
      name,
      title,
      date: date.toISOString(),
      command: this.#command,
      commit: await commit(),
      size: this.#size,
      counts,
      seconds: Math.round((Date.now() - date.getTime()) / 1_000),
      loadBefore,
      measures: measureResults(benchmark, samples),
      targets: verdicts(benchmark, samples),
      notes,
      ...(error === undefined ? {} : { error }),
    };
  }

  /** Ends and removes what the present benchmark has begun; `run` resolves no more. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#cleanUp();
  }

  async #cleanUp(): Promise<void> {
    for (let cleanup = this.#cleanups.pop(); cleanup; cleanup = this.#cleanups.pop()) {
      // One that fails must not keep the others from being done.
      await cleanup().catch((error: Error) => this.#say(`cleaning up: ${error.message}`));
    }
  }

  #bench(name: string, directory: string, began: Date, samples: Samples, notes: string[]): Bench {
    return {
      directory,
      sample(measure, way, value) {
        const ways = samples.get(measure) ?? new Map<string, number[]>();
        samples.set(measure, ways.set(way, [...(ways.get(way) ?? []), value]));
      },
      progress: (line) => {
        if (this.#isStopping) throw new Error('stopped');
        const seconds = Math.round((Date.now() - began.getTime()) / 1_000);
        this.#say(`${name} ${seconds} s: ${line}`);
      },
      note: (line) => void notes.push(line),
      defer: (cleanup) => void this.#cleanups.push(cleanup),
    };
  }
}

/** The version of the checkout; empty without git. */
async function commit(): Promise<string> {
  const options = { cwd: join(import.meta.dirname), reject: false } as const;
  return (await execa('git', ['describe', '--always', '--dirty', '--abbrev=12'], options)).stdout ?? '';
}
