/** `fetch` that goes only where the policy lets it, whatever servers redirect to. */

import { notAllowed, type Policy } from './policy.ts';

const MAX_REDIRECTS = 5;
const TIMEOUT_MS = 15_000;

/** Throws Terminal NotAllowed with `path` for a redirect to elsewhere, and what `fetch` throws, also when `stop` aborts. */
export async function allowedFetch(
  policy: Policy,
  url: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  stop?: AbortSignal,
): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = stop ? AbortSignal.any([timeout, stop]) : timeout;
  let at = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    if (!policy.url(at)) throw notAllowed(path, `a redirect to ${originOf(at)}`, originOf(at));
    const response = await fetch(at, { headers, signal, redirect: 'manual' });
    const location = response.headers.get('location');
    if (location === null || response.status < 300 || response.status > 399) return response;
    await response.body?.cancel();
    at = new URL(location, at).href;
  }
  throw new Error(`more than ${MAX_REDIRECTS} redirects`);
}

function originOf(url: string): string {
  return `${new URL(url).origin}/`;
}

/** More than this is a mistake of the server, and would look like a machine that hangs. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/**
 * Milliseconds for which a server asks to be left alone, at most an hour; undefined: it does not ask.
 * https://www.rfc-editor.org/rfc/rfc9110#name-retry-after: seconds, or a date.
 */
export function retryAfterMs({ headers }: Pick<Response, 'headers'>): number | undefined {
  const text = headers.get('retry-after')?.trim();
  if (!text) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}

/** An answer that says more of the server's state than of what was asked for. */
export function isBusy({ status }: Pick<Response, 'status'>): boolean {
  return status === 429 || status >= 500;
}
