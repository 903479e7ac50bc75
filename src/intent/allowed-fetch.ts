/** `fetch` that goes only where the policy lets it, whatever servers redirect to. */

import { STATUS_CODES } from 'node:http';
import { notAllowed, type Policy } from './policy.ts';

const MAX_REDIRECTS = 5;
const TIMEOUT_MS = 15_000;
const TOO_MANY_REDIRECTS = 'TOO_MANY_REDIRECTS';

const CERTIFICATE = 'its certificate is not signed by a trusted authority';
const SLOW = `it gave no answer within ${TIMEOUT_MS / 1_000} s`;
/** By the code of the system call, of TLS or of undici, or by the name of the error. */
const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'no route to its network',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be resolved now',
  ETIMEDOUT: SLOW,
  TimeoutError: SLOW,
  UND_ERR_CONNECT_TIMEOUT: SLOW,
  UND_ERR_HEADERS_TIMEOUT: SLOW,
  UND_ERR_BODY_TIMEOUT: SLOW,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: CERTIFICATE,
  SELF_SIGNED_CERT_IN_CHAIN: CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: CERTIFICATE,
  [TOO_MANY_REDIRECTS]: `it redirects more than ${MAX_REDIRECTS} times`,
};

export interface FetchOptions {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  readonly stop?: AbortSignal;
}

/**
 * Fetches `url`, over redirects.
 * @throws Terminal NotAllowed with `path` for a redirect to elsewhere, and what `fetch` throws, also when `stop` aborts: see
 * `fetchFailure` for its words
 */
export async function allowedFetch(
  policy: Policy,
  url: string,
  path: string,
  { method = 'GET', headers = {}, stop }: FetchOptions = {},
): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = stop ? AbortSignal.any([timeout, stop]) : timeout;
  let at = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    if (!policy.url(at)) throw notAllowed(path, `a redirect to ${originOf(at)}`, originOf(at));
    const response = await fetch(at, { method, headers, signal, redirect: 'manual' });
    const location = response.headers.get('location');
    if (location === null || response.status < 300 || response.status > 399) return response;
    await response.body?.cancel();
    at = new URL(location, at).href;
  }
  throw Object.assign(new Error('redirected'), { code: TOO_MANY_REDIRECTS });
}

/** In words of ours: `fetch` quotes the URL in its messages, a redirect's too, with whatever secret is in it. */
export function fetchFailure(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    const known = FAILURES[code ?? ''] ?? FAILURES[at.name];
    if (known !== undefined) return known;
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) return `the request failed (${code})`;
  }
  return 'the request failed';
}

/** The status of an answer in the words of the standard, not of the server. */
export function statusText({ status }: Pick<Response, 'status'>): string {
  return [status, STATUS_CODES[status]].filter(Boolean).join(' ');
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

/** The URL without what may be secret in it: user, password and query. */
export function withoutCredentials(url: string): string {
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  parsed.search = '';
  return parsed.href;
}
