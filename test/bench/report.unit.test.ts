/** Verifies the figures of benchmark reports, and that docs/performance.md matches the committed results. */

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Benchmark } from './benchmark.ts';
import { sumOf } from './exposition.ts';
import { pageText } from './page.ts';
import { type Report, type Run, type Samples, verdicts, withRun } from './report.ts';
import { measureRows } from './report-text.ts';

const docs = new URL('../../docs/', import.meta.url);

const benchmark: Benchmark = {
  name: 'one',
  title: 'One',
  minutes: 1,
  counts: { tiny: {}, full: {} },
  measures: { create: { title: 'create', unit: 'ms', against: 'virsh' } },
  targets: [
    {
      number: 1,
      says: 'at most 1.3 times',
      value: (median) => median('create', 'ours') / median('create', 'virsh'),
      unit: '×',
      atMost: 1.3,
    },
  ],
  run: async () => {},
};

const samples = (ours: number[], virsh: number[]): Samples =>
  new Map([['create', new Map([['ours', ours], ['virsh', virsh]])]]); // biome-ignore format: one line

describe('a target', () => {
  it('is judged by medians, so that one slow sample does not miss it', () => {
    expect(verdicts(benchmark, samples([10, 900, 12], [10, 10, 10]))).toMatchObject([
      { value: 1.2, reached: true },
    ]);
    expect(verdicts(benchmark, samples([14], [10]))).toMatchObject([{ value: 1.4, reached: false }]);
  });

  it('that was not measured is not reached', () => {
    expect(verdicts(benchmark, new Map())).toMatchObject([{ value: null, reached: false }]);
  });
});

it('the table shows the spread, and the ratio against the other way', () => {
  const ways = [
    { way: 'virsh', samples: [10, 30, 20, 40] },
    { way: 'ours', samples: [50] },
  ];
  expect(measureRows({ measures: [{ title: 'create', unit: 'ms', against: 'virsh', ways }] })).toEqual([
    ['create', 'virsh', '25 ms', '10–40', '4', '–'],
    ['', 'ours', '50 ms', '–', '1', '2 × virsh'],
  ]);
});

it('a benchmark that is run again takes the place of its earlier run, and of no other', () => {
  const machine = { cpu: 'a' } as Report['machine'];
  const run = (name: string, commit: string) => ({ name, commit }) as Run;
  const first = withRun(withRun({ machine, runs: [] }, run('x', '1')), run('y', '1'));
  expect(withRun(first, run('x', '2'))).toEqual({ machine, runs: [run('y', '1'), run('x', '2')] });
});

it('a metric is summed over its own series alone', () => {
  const text = 'a_total{verb="GET"} 2\na_total{verb="WATCH"} 4\na_total_more 8\nb 16\na_total 32\n';
  expect(sumOf(text, 'a_total')).toBe(38);
  expect(sumOf(text, 'a_total', (labels) => labels === 'verb="GET"')).toBe(2);
});

it('docs/performance.md says what the committed results say: npm run bench -- --docs docs/performance/results.json', () => {
  const results = new URL('performance/results.json', docs);
  const report = existsSync(results) ? (JSON.parse(readFileSync(results, 'utf8')) as Report) : undefined;
  expect(readFileSync(new URL('performance.md', docs), 'utf8')).toBe(pageText(report));
});
