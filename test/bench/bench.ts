/**
 * Runs the benchmarks (`npm run bench`): CAPLV and its alternatives on the same work in the same run, on a private libvirt.
 * Compares the results with the targets and asserts nothing: on a shared machine only ratios are meaningful.
 */

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable } from '../../src/cli/output/table.ts';
import { binDirectory } from '../lab/terraform-binary.ts';
import { terraformrcPath } from '../lab/terraform-provider.ts';
import type { Benchmark, Size } from './benchmark.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { describeMachine } from './machine-description.ts';
import { writePage } from './page.ts';
import { type Report, type Run, withRun } from './report.ts';
import { MEASURE_HEADER, measureRows, TARGET_HEADER, targetRow } from './report-text.ts';
import { Runner } from './runner.ts';

const DOCS = join(import.meta.dirname, '../../docs');
const usual = BENCHMARKS.filter(({ isSeparate = false }) => !isSeparate);
const minutes = usual.reduce((sum, benchmark) => sum + benchmark.minutes, 0);

const HELP = `npm run bench -- [options]

  --only NAME    one benchmark alone; may be repeated. nodes runs only so: it builds an image first
  --size SIZE    full (default; about ${minutes} minutes on two idle cores) or tiny (does it all work?)
  --json FILE    writes what was measured; a file of the same machine keeps its other benchmarks
  --docs FILE    measures nothing: writes docs/performance.md and its plots from such a file
  --help

CAPLV_BENCH_OTHER_BUILD=PATH/dist/bin.js measures another build beside this one, in lifecycle and sweep.

To publish, on a machine that does nothing else:
  npm run bench -- --json docs/performance/results.json && npm run bench -- --docs docs/performance/results.json

${formatTable(
  ['BENCHMARK', 'MINUTES', 'MEASURES'],
  BENCHMARKS.map((one) => [one.name, String(one.minutes), one.title]),
)}`;

process.exitCode = await main();

async function main(): Promise<number> {
  const parsed = readFlags();
  if (typeof parsed === 'string') return refuse(parsed);
  const { only, size, json, docs, help } = parsed;
  if (help) return print(HELP);
  if (docs !== undefined) {
    const report = await readReport(docs);
    if (!report) say(`there is no ${docs}: the page will have no figures`);
    await writePage(report, DOCS);
    return 0;
  }
  const chosen = only ? BENCHMARKS.filter(({ name }) => only.includes(name)) : usual;
  const unknown = only?.filter((name) => !BENCHMARKS.some((one) => one.name === name)) ?? [];
  if (unknown.length > 0 || (size !== 'full' && size !== 'tiny')) {
    return refuse(`There is no ${unknown.join(', ') || `size ${size}`}.`);
  }
  return runAll(chosen, size, json);
}

/** A text: what is wrong with them. */
function readFlags() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        size: { type: 'string', default: 'full' },
        json: { type: 'string' },
        docs: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function refuse(message: string): number {
  process.stderr.write(`${message}\n\n${HELP}`);
  return 2;
}

/** Prints and writes each result at once, since a run takes long. */
async function runAll(chosen: readonly Benchmark[], size: Size, json: string | undefined): Promise<number> {
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
  const runner = new Runner({ size, command, say });
  onSignal(() => runner.stop());
  const machine = await describeMachine({
    TF_CLI_CONFIG_FILE: terraformrcPath(),
    CHECKPOINT_DISABLE: '1',
    PATH: `${process.env['PATH']}:${binDirectory()}`,
  });
  const [load = 0] = loadavg();
  if (load > cpus().length / 4)
    say(`this machine is busy (load ${load.toFixed(1)}): do not publish these figures`);
  let report: Report = (json === undefined ? undefined : await readReport(json)) ?? { machine, runs: [] };
  if (JSON.stringify(report.machine) !== JSON.stringify(machine)) {
    say(`${json} was measured on another machine, or with other versions: name another file`);
    return 2;
  }
  let isBroken = false;
  for (const benchmark of chosen) {
    const run = await runner.run(benchmark);
    report = withRun(report, run);
    isBroken ||= run.error !== undefined;
    show(run);
    if (json === undefined) continue;
    await mkdir(dirname(json), { recursive: true });
    await writeFile(json, `${JSON.stringify(report, null, 1)}\n`);
  }
  return isBroken ? 1 : 0;
}

function show(run: Run): void {
  const upper = (header: readonly string[]) => header.map((cell) => cell.toUpperCase());
  // Cells that are empty on purpose: the table would call them <none>.
  const filled = (rows: readonly string[][]) => rows.map((row) => row.map((cell) => cell || ' '));
  print(`\n${run.name}, ${run.size}, ${run.seconds} s: ${run.title}\n\n`);
  print(formatTable(upper(MEASURE_HEADER), filled(measureRows(run))));
  print(`\n${formatTable(upper(TARGET_HEADER), filled(run.targets.map(targetRow)))}`);
  for (const note of run.notes) print(`${note}\n`);
  if (run.error !== undefined) print(`\nIt did not get to its end: ${run.error}\n`);
  print('\n');
}

/** The second Ctrl-C ends at once. */
function onSignal(stop: () => Promise<void>): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      say('stopping; removing what was started');
      // What the benchmark still tries fails now; the errors are of no interest.
      process.on('unhandledRejection', () => {});
      void stop().finally(() => process.exit(code));
    });
  }
}

async function readReport(path: string): Promise<Report | undefined> {
  return existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as Report) : undefined;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
