/** Verifies that a small run of all benchmarks completes, and removes all that it made. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BENCHMARKS } from './benchmarks.ts';
import type { Report } from './report.ts';

const PROGRAM = join(import.meta.dirname, 'bench.ts');

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bench-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Labs and scratch directories; Node's compile cache may stay. */
async function left(): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith('caplv-'));
}

function bench(...args: readonly string[]) {
  // Labs of its own, since another measurement may run at the same time.
  const env = { CAPLV_LAB_ROOT: directory, TMPDIR: directory };
  return execa(process.execPath, [PROGRAM, '--size', 'tiny', ...args], { env, reject: false });
}

it('a measurement runs each benchmark to its end, evaluates all targets and leaves nothing behind', async () => {
  const json = join(directory, 'report.json');
  const { exitCode, stdout, stderr } = await bench('--json', json);
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 0,
    stderr: expect.not.stringContaining('cleaning up:'),
  });
  const report = JSON.parse(await readFile(json, 'utf8')) as Report;
  expect(report.runs.map(({ name, error }) => ({ name, error }))).toEqual(
    BENCHMARKS.filter(({ isSeparate = false }) => !isSeparate).map(({ name }) => ({
      name,
      error: undefined,
    })),
  );
  for (const { name, measures, targets } of report.runs) {
    expect(stdout).toContain(`${name}, tiny`);
    const expected = BENCHMARKS.find((one) => one.name === name);
    expect(measures.map(({ title }) => title)).toEqual(
      Object.values(expected?.measures ?? {}).map(({ title }) => title),
    );
    expect(targets.filter(({ value }) => value === null)).toEqual([]);
  }
  expect(await left()).toEqual([]);
}, 900_000);

it('Ctrl-C leaves nothing behind', async () => {
  const running = bench('--only', 'command-line');
  for await (const line of createInterface(running.stderr)) {
    if (line.includes('machine 1 of')) running.kill('SIGINT');
  }
  expect(await running).toMatchObject({ exitCode: 130 });
  expect(await left()).toEqual([]);
});
