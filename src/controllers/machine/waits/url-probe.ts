/**
 * Looks out for what a URL will lead to. No server tells of that by itself, so it is asked: for one byte, as the machine
 * would ask for all (HEAD is cheaper where nothing is there, but servers refuse it or answer it otherwise, and then the
 * machine would wait for ever).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CaplvError } from '../../../errors.ts';
import { allowedFetch, isBusy, retryAfterMs } from '../../../intent/allowed-fetch.ts';
import type { Policy } from '../../../intent/policy.ts';
import { backoffDelay } from '../../../system/backoff.ts';
import { ServerPace } from './request-pacer.ts';

/** Keeps a probe and what follows it below two seconds, for those who have just uploaded the file. */
const INTERVAL_MS = 1_500;
/** Requests at this pace; after five minutes of them nobody is waiting at a keyboard. */
const FAST_ATTEMPTS = 200;
/** Bounds the interval, which then doubles each time, as it does for a server that is in trouble. */
const MAX_INTERVAL_MS = 60_000;
/** An error page that is shorter is read to its end, so that the connection serves the next look. */
const PAGE_BYTES = 16 * 1024;

export class UrlProbe {
  readonly #policy: Policy;
  readonly #intervalMs: number;
  readonly #pace = new ServerPace();

  /** `intervalMs`: milliseconds between two requests for one URL, while its server answers as it should. */
  constructor(policy: Policy, intervalMs = INTERVAL_MS) {
    this.#policy = policy;
    this.#intervalMs = intervalMs;
  }

  /** The server of `url` has asked to be left alone for so long. */
  hold(url: string, ms: number): void {
    this.#pace.hold(new URL(url).origin, ms);
  }

  /** Resolves when the server gives it, or refuses it for a reason that waiting does not mend. Rejects when `signal` aborts. */
  async appearance(url: string, signal: AbortSignal): Promise<void> {
    const { origin } = new URL(url);
    const backoff = { baseMs: this.#intervalMs, maxMs: MAX_INTERVAL_MS };
    let troubles = 0;
    for (let looks = 0; ; looks += 1) {
      const failures = Math.max(troubles, looks - FAST_ATTEMPTS);
      await sleep(failures > 0 ? backoffDelay(failures, backoff) : this.#intervalMs, undefined, { signal });
      await this.#pace.turn(origin, signal);
      const seen = await this.#look(url, signal);
      if (seen === 'there') return;
      troubles = seen === 'trouble' ? troubles + 1 : 0;
    }
  }

  async #look(url: string, signal: AbortSignal): Promise<'there' | 'missing' | 'trouble'> {
    try {
      const response = await allowedFetch(this.#policy, url, '', {
        headers: { range: 'bytes=0-0' },
        stop: signal,
      });
      const holdMs = retryAfterMs(response);
      if (holdMs !== undefined) this.hold(url, holdMs);
      await discard(response);
      if (response.ok) return 'there';
      return isBusy(response) ? 'trouble' : 'missing';
    } catch (error) {
      signal.throwIfAborted();
      // Not allowed: the machine's own request is refused likewise, and its status says so.
      return error instanceof CaplvError ? 'there' : 'missing';
    }
  }
}

async function discard({ body }: Response): Promise<void> {
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > PAGE_BYTES) break; // leaving the loop cancels the body
  }
}
