import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import type { Reader } from './reader.ts';

export interface CampaignResult {
  readonly name: string;
  readonly runs: number;
  readonly read: number;
  readonly refused: number;
  /** Milliseconds of this thread that the slowest input took: all turns of it together. */
  readonly slowestMs: number;
  /** Milliseconds for which no other work got its turn, at most, by the clock: also what other programs took. */
  readonly longestBlockMs: number;
  readonly problems: readonly string[];
}

/** Milliseconds of this thread in one turn after which others notice. */
export const BLOCKED_MS = 1_000;

/** Inputs that are made at once: each may have a megabyte. */
const CHUNK = 50;
const SHOWN_CHARACTERS = 300;

/** Gives a reader `runs` inputs, always the same for a seed, and goes on after what went wrong. */
export async function runCampaign(
  { name, inputs, read }: Reader,
  { runs, seed }: { readonly runs: number; readonly seed: number },
): Promise<CampaignResult> {
  const counts = { read: 0, refused: 0 };
  const problems: string[] = [];
  let [slowestMs, longestBlockMs, done] = [0, 0, 0];
  const report = (problem: string, input: unknown) =>
    problems.push(`${problem}; seed ${seed}, input ${done} of ${name}: ${shown(input)}`);
  while (done < runs) {
    for (const input of fc.sample(inputs, { seed: seed + done, numRuns: Math.min(CHUNK, runs - done) })) {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      await setImmediate();
      delay.enable();
      await setImmediate();
      const begun = process.threadCpuUsage();
      try {
        counts[await read(input)] += 1;
      } catch (error) {
        report((error as Error).stack?.slice(0, 1_000) ?? String(error), input);
      }
      const { user, system } = process.threadCpuUsage(begun);
      // What blocked is measured when the timers get their turn.
      await setImmediate();
      await setImmediate();
      delay.disable();
      const [tookMs, blockMs] = [(user + system) / 1_000, delay.max / 1_000_000];
      slowestMs = Math.max(slowestMs, tookMs);
      longestBlockMs = Math.max(longestBlockMs, blockMs);
      if (Math.min(tookMs, blockMs) > BLOCKED_MS) report(`it blocks for ${Math.round(tookMs)} ms`, input);
      done += 1;
    }
  }
  if (({} as { polluted?: unknown }).polluted !== undefined)
    problems.push('the prototype of all objects was changed');
  return { name, runs, ...counts, slowestMs, longestBlockMs, problems };
}

function shown(input: unknown): string {
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  return `${JSON.stringify(text?.slice(0, SHOWN_CHARACTERS))} (${text?.length} characters)`;
}
