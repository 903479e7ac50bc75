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

/** A look and what follows it take less than two seconds. */
const EAGER_MS = 1_500;
/** Who has just uploaded it, or is about to, waits for us; after two hundred looks we wait for a person. */
const FAST_ATTEMPTS = 200;
/** Then, and for a server that is in trouble, twice as long each time. */
const PATIENCE = { baseMs: EAGER_MS, maxMs: 60_000 };
/** An error page that is shorter is read to its end, so that the connection serves the next look. */
const PAGE_BYTES = 16 * 1024;

export class UrlProbe {
  readonly #policy: Policy;
  readonly #pace = new ServerPace();

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** The server of `url` has asked to be left alone for so long. */
  hold(url: string, ms: number): void {
    this.#pace.hold(new URL(url).origin, ms);
  }

  /** Resolves when the server gives it, or refuses it for a reason that waiting does not mend. Rejects when `signal` aborts. */
  async appearance(url: string, signal: AbortSignal): Promise<void> {
    const { origin } = new URL(url);
    let troubles = 0;
    for (let looks = 0; ; looks += 1) {
      const failures = Math.max(troubles, looks - FAST_ATTEMPTS);
      await sleep(failures > 0 ? backoffDelay(failures, PATIENCE) : EAGER_MS, undefined, { signal });
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
