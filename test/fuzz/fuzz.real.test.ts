/**
 * Verifies that each manifest is refused with the field at fault, or becomes a stack that terraform accepts. The manifests
 * are the same at every run; CAPLV_FUZZ_SEED generates others, CAPLV_FUZZ_RUNS more.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ManifestError } from '../../src/api/manifest/error.ts';
import { parseManifests } from '../../src/api/manifest/parse.ts';
import { CaplvError } from '../../src/errors.ts';
import type { JsonObject } from '../../stacks/json.ts';
import { Synthesizer } from '../../stacks/synthesizer.ts';
import { manifestText } from './manifest-arbitrary.ts';
import { stacksOf } from './stacks-of.ts';
import { Validator } from './validation.ts';

vi.setConfig({ testTimeout: 600_000 });

const SEED = Number(process.env['CAPLV_FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['CAPLV_FUZZ_RUNS'] ?? 2_000);
/** Stacks that are validated as they are applied, one at a time; the others are modules of a few configurations. */
const SINGLY = 100;
const BATCH = 200;
/** Of each manifest, at most: far less than the smallest text with what is made of it, and more than what fast-check and vitest keep. */
const KEPT_BYTES = 4_000;

interface Accepted {
  readonly text: string;
  readonly stack: JsonObject;
}

let scratch: string;
let synthesizer: Synthesizer;
let validator: Validator;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'caplv-fuzz-'));
  synthesizer = new Synthesizer();
  validator = await Validator.start(scratch);
});

afterAll(async () => {
  await validator?.stop();
  await synthesizer?.close();
  if (scratch) await rm(scratch, { recursive: true });
});

it(`${RUNS} manifests from seed ${SEED} are refused where they are wrong, or make stacks that terraform accepts`, async () => {
  console.info(`CAPLV_FUZZ_SEED=${SEED} CAPLV_FUZZ_RUNS=${RUNS}`);
  const waiting: Accepted[] = [];
  const problems: string[] = [];
  const heaps: number[] = [];
  let [runs, accepted, refused] = [0, 0, 0];
  const property = fc.asyncProperty(manifestText, async (text) => {
    const stacks = await stacksOrRefusal(text);
    if (stacks === undefined) refused++;
    for (const stack of stacks ?? []) {
      if (accepted++ < SINGLY) problems.push(...told(text, await validator.problem(stack)));
      else waiting.push({ text, stack });
    }
    if (waiting.length >= BATCH) problems.push(...(await validated(waiting.splice(0))));
    if (++runs % (RUNS / 4) === 0) heaps.push(heapInUse());
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });
  problems.push(...(await validated(waiting)));
  const megabytes = heaps.map((bytes) => Math.round(bytes / 1e6)).join(', ');
  console.info(
    `${accepted} stacks, ${refused} manifests refused; MB of heap in use at each quarter: ${megabytes}`,
  );
  expect(problems).toEqual([]);

  // Else it would prove nothing.
  expect(accepted).toBeGreaterThan(RUNS / 5);
  expect(refused).toBeGreaterThan(RUNS / 5);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  // What is kept of each manifest shows between the first quarter and the last, when all caches are filled.
  const [first = 0, last = Number.POSITIVE_INFINITY] = [heaps[0], heaps.at(-1)];
  expect(last - first).toBeLessThan(KEPT_BYTES * RUNS);
});

/** Of the main thread, without what nothing refers to any more. cdktf leaks in a thread of its own, which is replaced. */
function heapInUse(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

async function validated(batch: readonly Accepted[]): Promise<string[]> {
  const found = await validator.problems(batch.map(({ stack }) => stack));
  return [...found].flatMap(([index, problem]) => told(batch[index]?.text ?? '', problem));
}

function told(text: string, problem: string | undefined): string[] {
  return problem === undefined ? [] : [`${problem}\n${text.slice(0, 4_000)}`];
}

/** Returns undefined for a refusal, and throws all other errors. */
async function stacksOrRefusal(text: string): Promise<JsonObject[] | undefined> {
  try {
    const manifests = parseManifests(text, 'fuzz.yaml', { environment: { CAPLV_NAME: 'a' } });
    const stacks: JsonObject[] = [];
    for (const { object } of manifests) stacks.push(...(await stacksOf(object, synthesizer, scratch)));
    return stacks;
  } catch (error) {
    if (error instanceof ManifestError) {
      // A text that is no YAML, or empty, has no fields.
      const lost = error.problems.filter(
        ({ object, path, line, fix }) => !(object ? path : path || line || fix),
      );
      expect(lost).toEqual([]);
      return undefined;
    }
    if (error instanceof CaplvError && error.path && error.fix) return undefined;
    throw error;
  }
}
