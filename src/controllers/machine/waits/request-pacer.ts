/** Paces the requests to one server, however many Machines wait for its files. */

import { setTimeout as sleep } from 'node:timers/promises';

/** So many machines may wait for so many things of one server: it gets at most ten questions a second from us. */
const GAP_MS = 100;

/** When each server may be asked next. Times are of performance.now(). */
export class ServerPace {
  /** By origin: when the next one in the row may ask. */
  readonly #next = new Map<string, number>();
  /** By origin: until when it wants to be left alone. */
  readonly #held = new Map<string, number>();

  /** Resolves when it is one's turn to ask the server; rejects when `signal` aborts. */
  async turn(origin: string, signal: AbortSignal): Promise<void> {
    do {
      const at = Math.max(performance.now(), this.#next.get(origin) ?? 0);
      this.#next.set(origin, at + GAP_MS);
      if (at > performance.now()) await sleep(at - performance.now(), undefined, { signal });
      // Meanwhile another may have been told to leave it alone.
    } while ((this.#held.get(origin) ?? 0) > performance.now());
  }

  hold(origin: string, ms: number): void {
    const now = performance.now();
    for (const times of [this.#next, this.#held]) {
      for (const [known, until] of times) if (until <= now) times.delete(known);
      times.set(origin, Math.max(times.get(origin) ?? 0, now + ms));
    }
  }
}
