/** Prints a report as tables, for the terminal and for docs/performance.md. */

import type { Unit } from './benchmark.ts';
import { type MeasureResult, median, type Run, type Verdict } from './report.ts';

export const MEASURE_HEADER = ['Measure', 'Way', 'Median', 'Min–max', 'Samples', 'Ratio'];
export const TARGET_HEADER = ['#', 'Target', 'Measured', ''];

export function measureRows({ measures }: Pick<Run, 'measures'>): string[][] {
  return measures.flatMap((measure) =>
    measure.ways.map(({ way, samples }, index) => [
      index === 0 ? measure.title : '',
      way,
      quantity(median(samples), measure.unit),
      samples.length > 1 ? `${figure(Math.min(...samples))}–${figure(Math.max(...samples))}` : '–',
      String(samples.length),
      ratio(measure, way),
    ]),
  );
}

export function targetRow({ number, says, unit, value, reached }: Verdict): string[] {
  if (value === null) return [String(number), says, '–', 'not measured'];
  return [String(number), says, quantity(value, unit), reached ? 'reached' : 'missed'];
}

/** `1.23 × virsh`. */
function ratio({ against, ways }: MeasureResult, way: string): string {
  const medianOf = (name: string | undefined) => median(ways.find((one) => one.way === name)?.samples ?? []);
  const times = medianOf(way) / medianOf(against);
  return against === undefined || way === against || !Number.isFinite(times)
    ? '–'
    : `${figure(times)} × ${against}`;
}

export function quantity(value: number, unit: Unit): string {
  return `${figure(value)} ${unit}`;
}

/** Three digits tell all that such measurements know. */
export function figure(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
