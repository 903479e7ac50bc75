/** Defines the results of runs as they are kept in JSON, the only source of tables, plots and docs/performance.md. */

import type { Benchmark, Size, Unit } from './benchmark.ts';
import type { MachineDescription } from './machine-description.ts';

export interface Report {
  readonly machine: MachineDescription;
  readonly runs: readonly Run[];
}

export interface Run {
  readonly name: string;
  readonly title: string;
  /** ISO 8601, of its beginning. */
  readonly date: string;
  readonly command: string;
  /** As `git describe --always --dirty` has it. */
  readonly commit: string;
  readonly size: Size;
  readonly counts: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Load average of the minute before; of others, so it should be near zero. */
  readonly loadBefore: number;
  readonly measures: readonly MeasureResult[];
  readonly targets: readonly Verdict[];
  readonly notes: readonly string[];
  /** Why it ended before its end. */
  readonly error?: string;
}

export interface MeasureResult {
  readonly title: string;
  readonly unit: Unit;
  readonly against?: string;
  readonly ways: readonly { readonly way: string; readonly samples: readonly number[] }[];
}

export interface Verdict {
  readonly number: number;
  readonly says: string;
  readonly unit: Unit;
  /** Null: not measured. */
  readonly value: number | null;
  readonly reached: boolean;
}

/** Samples of one run: measure, then way. */
export type Samples = Map<string, Map<string, number[]>>;

export function measureResults({ measures }: Benchmark, samples: Samples): MeasureResult[] {
  return Object.entries(measures).flatMap(([name, measure]) => {
    const ways = [...(samples.get(name) ?? [])].map(([way, values]) => ({
      way,
      samples: values.map(rounded),
    }));
    return ways.length === 0 ? [] : [{ ...measure, ways }];
  });
}

export function verdicts({ targets }: Benchmark, samples: Samples): Verdict[] {
  const medianOf = (measure: string, way: string) => median(samples.get(measure)?.get(way) ?? []);
  return targets.map(({ number, says, unit, value, atMost = Infinity, atLeast = -Infinity }) => {
    const is = value(medianOf);
    const isMeasured = Number.isFinite(is);
    const reached = isMeasured && is <= atMost && is >= atLeast;
    return { number, says, unit, value: isMeasured ? rounded(is) : null, reached };
  });
}

/** Replaces an earlier run of the same benchmark by `run`. */
export function withRun({ machine, runs }: Report, run: Run): Report {
  return { machine, runs: [...runs.filter(({ name }) => name !== run.name), run] };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? (upper + (sorted[middle - 1] ?? Number.NaN)) / 2 : upper;
}

/** More digits than any clock here has. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
