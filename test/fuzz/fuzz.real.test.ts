/**
 * Whatever a manifest says, it is refused with the place at fault, or it becomes a stack that terraform accepts. The seed is
 * printed; CAPLV_FUZZ_SEED repeats a run, CAPLV_FUZZ_RUNS makes it longer.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { parseManifests } from '../../src/api/manifest.ts';
import { ManifestError } from '../../src/api/manifest-error.ts';
import { CaplvError } from '../../src/errors.ts';
import type { JsonObject } from '../../stacks/json.ts';
import { Synthesizer } from '../../stacks/synthesizer.ts';
import { manifestText } from './manifest-arbitrary.ts';
import { stacksOf } from './stacks-of.ts';
import { Validator } from './validation.ts';

vi.setConfig({ testTimeout: 600_000 });

const SEED = Number(process.env['CAPLV_FUZZ_SEED'] ?? Date.now() % 2 ** 31);
const RUNS = Number(process.env['CAPLV_FUZZ_RUNS'] ?? 2_000);
/** Stacks that are validated as they are applied, one at a time; the others are modules of a few configurations. */
const SINGLY = 100;
const BATCH = 200;

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
  const accepted: Accepted[] = [];
  let refused = 0;
  const property = fc.asyncProperty(manifestText, async (text) => {
    const stacks = await stacksOrRefusal(text);
    if (stacks === undefined) refused++;
    else accepted.push(...stacks.map((stack) => ({ text, stack })));
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });

  console.info(`${accepted.length} stacks, ${refused} manifests refused`);
  const problems: string[] = [];
  const tell = ({ text }: Accepted, problem: string) => problems.push(`${problem}\n${text.slice(0, 4_000)}`);
  for (const one of accepted.slice(0, SINGLY)) {
    const problem = await validator.problem(one.stack);
    if (problem !== undefined) tell(one, problem);
  }
  for (let from = SINGLY; from < accepted.length; from += BATCH) {
    const batch = accepted.slice(from, from + BATCH);
    const found = await validator.problems(batch.map(({ stack }) => stack));
    for (const [index, problem] of found) tell(batch[index] ?? { text: '', stack: {} }, problem);
  }
  expect(problems).toEqual([]);

  // Else it would prove nothing.
  expect(accepted.length).toBeGreaterThan(RUNS / 5);
  expect(refused).toBeGreaterThan(RUNS / 5);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  // KiB; with vitest, fast-check and cdktf's thread.
  expect(process.resourceUsage().maxRSS).toBeLessThan(1024 ** 2);
});

/** Undefined: refused. Throws whatever is no refusal. */
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
