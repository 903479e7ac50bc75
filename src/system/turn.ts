/** Lets other work have its turn during a long computation. */

import { setImmediate } from 'node:timers/promises';

/** Milliseconds of work after which other work gets its turn. */
const TURN_MS = 50;

/** A turn of the event loop, for loops that read much: other work runs in between. */
export class Turn {
  #began = performance.now();

  /** Lets other work run if this turn has taken long enough. Call it after each piece of the work. */
  async yieldIfLong(): Promise<void> {
    if (performance.now() - this.#began < TURN_MS) return;
    await setImmediate();
    this.#began = performance.now();
  }
}
