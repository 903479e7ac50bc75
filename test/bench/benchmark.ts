/** Defines what a benchmark is. For its results see report.ts. */

export type Size = 'tiny' | 'full';

export type Unit =
  | 'ms'
  | 's'
  | 'CPU ms'
  | 'CPU s'
  | 'machines/s'
  | 'MiB'
  | 'KiB'
  | 'requests'
  | 'processes'
  | '%'
  | '×';

export interface Measure {
  /** What was done, in a few words. */
  readonly title: string;
  readonly unit: Unit;
  /** The way that the others are compared with. */
  readonly against?: string;
}

/** Returns the median of one measure of one way; NaN without samples. */
export type Median = (measure: string, way: string) => number;

export interface Target {
  /** Row of the table of targets in docs/performance.md. */
  readonly number: number;
  readonly says: string;
  readonly value: (median: Median) => number;
  readonly unit: Unit;
  readonly atMost?: number;
  readonly atLeast?: number;
}

export interface Benchmark<
  Counts extends Readonly<Record<string, number>> = Readonly<Record<string, number>>,
> {
  /** For `--only`. */
  readonly name: string;
  /** What it does, and against what. */
  readonly title: string;
  /** Of the full form, roughly, on two idle cores. */
  readonly minutes: number;
  /** Runs only where `--only` names it: it needs more than the others. */
  readonly isSeparate?: boolean;
  readonly counts: Readonly<Record<Size, Counts>>;
  /** By their name in samples. */
  readonly measures: Readonly<Record<string, Measure>>;
  readonly targets: readonly Target[];
  run(bench: Bench, counts: Counts): Promise<void>;
}

/** One run of one benchmark. */
export interface Bench {
  /** Scratch directory of this run. */
  readonly directory: string;
  sample(measure: string, way: string, value: number): void;
  /** Reports progress. */
  progress(line: string): void;
  /** For the report: what a reader has to know of this run, for example which parallelism was best. */
  note(line: string): void;
  /** Runs when the benchmark ends or fails; the last one first. */
  defer(cleanup: () => Promise<unknown>): void;
}

/** Milliseconds that `work` took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** `work` for each item, at most `parallelism` at a time. */
export async function forEachOf<T>(
  items: readonly T[],
  parallelism: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: parallelism }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}
