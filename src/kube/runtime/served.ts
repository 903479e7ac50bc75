/** Remembers that kinds are served: once they are, for good; until then it is asked again after a while. */

/** How long a No counts, in milliseconds; also how often it is asked whether a watch can begin. */
export const NO_COUNTS_MS = 5_000;

/** `ask` throws while that cannot be found out; then so does what is returned. */
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
