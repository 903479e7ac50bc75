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
