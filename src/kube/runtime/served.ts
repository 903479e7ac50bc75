/** Remembers that kinds are served: once they are, for good; until then it is asked again after a while. */

import { setTimeout as sleep } from 'node:timers/promises';

/** Limits how long the answer No is kept, in milliseconds; also the interval in which a waiting watch asks again. */
export const NO_COUNTS_MS = 5_000;

/** Returns a function that asks whether kinds are served, and caches the answer. Throws what `ask` throws. */
export function rememberServed(
  ask: () => Promise<boolean>,
  now = () => performance.now(),
): () => Promise<boolean> {
  let answer: { readonly served: Promise<boolean>; readonly atMs: number } | undefined;
  let isServed = false;
  return () => {
    if (isServed) return Promise.resolve(true);
    if (answer && now() - answer.atMs < NO_COUNTS_MS) return answer.served;
    const served = ask();
    const asked = { served, atMs: now() };
    answer = asked;
    served.then(
      (yes) => {
        isServed ||= yes;
      },
      () => {
        if (answer === asked) answer = undefined;
      },
    );
    return served;
  };
}

/** Asks until `serves` says yes or `signal` aborts, and yields at each No. `onError` gets what `serves` throws. */
export async function* untilServed(
  serves: () => Promise<boolean>,
  { signal, onError }: { readonly signal: AbortSignal; readonly onError: (error: unknown) => void },
): AsyncGenerator<void> {
  while (!signal.aborted) {
    const isServed = await serves().catch(onError);
    if (isServed) return;
    if (isServed === false) yield;
    await sleep(NO_COUNTS_MS, undefined, { signal }).catch(() => {});
  }
}
