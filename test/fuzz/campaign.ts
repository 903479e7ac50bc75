/** Runs a reader on generated inputs, and collects what goes wrong. */

import fc from 'fast-check';
import type { Reader } from './reader.ts';

export interface CampaignResult {
  readonly name: string;
  readonly runs: number;
  readonly read: number;
  readonly refused: number;
  /** Milliseconds of this thread for which no other work got its turn, at most. What other programs of the machine took is not in it. */
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
  let [longestBlockMs, done] = [0, 0];
  const report = (problem: string, input: unknown) =>
    problems.push(`${problem}; seed ${seed}, input ${done} of ${name}: ${shown(input)}`);
  while (done < runs) {
    for (const input of fc.sample(inputs, { seed: seed + done, numRuns: Math.min(CHUNK, runs - done) })) {
      const turns = new TurnMeter();
      try {
        counts[await read(input)] += 1;
      } catch (error) {
        report((error as Error).stack?.slice(0, 1_000) ?? String(error), input);
      }
      const blockMs = await turns.end();
      longestBlockMs = Math.max(longestBlockMs, blockMs);
      if (blockMs > BLOCKED_MS) report(`it blocks for ${Math.round(blockMs)} ms`, input);
      done += 1;
    }
  }
  if (({} as { polluted?: unknown }).polluted !== undefined)
    problems.push('the prototype of all objects was changed');
  return { name, runs, ...counts, longestBlockMs, problems };
}

/** How often the time of the thread is read: far more often than `BLOCKED_MS`, and rarely enough to cost nothing while a reader waits. */
const METER_MS = 10;

/** Measures the longest turn of this thread, to within what it does in `METER_MS`. */
class TurnMeter {
  #longestMs = 0;
  #last = process.threadCpuUsage();
  readonly #timer = setInterval(() => this.#measure(), METER_MS);

  /** Returns milliseconds of the thread. */
  async end(): Promise<number> {
    await new Promise((resolve) => setImmediate(resolve));
    clearInterval(this.#timer);
    this.#measure();
    return this.#longestMs;
  }

  #measure(): void {
    const { user, system } = process.threadCpuUsage(this.#last);
    this.#longestMs = Math.max(this.#longestMs, (user + system) / 1_000);
    this.#last = process.threadCpuUsage();
  }
}

function shown(input: unknown): string {
  const text =
    typeof input === 'string'
      ? input
      : JSON.stringify(input, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
  return `${JSON.stringify(text?.slice(0, SHOWN_CHARACTERS))} (${text?.length} characters)`;
}
