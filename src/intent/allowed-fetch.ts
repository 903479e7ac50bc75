/** Fetches only what the policy allows, whatever servers redirect to and whatever their names are resolved to. */

import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { formatSeconds } from '../system/duration.ts';
import { type AddressScope, addressScope, includesScope } from '../system/network/address-scope.ts';
import { isAddressRefused, type Resolve } from '../system/network/checked-lookup.ts';
import { httpRequest } from '../system/network/http-request.ts';
import { http, https } from '../system/node-modules.ts';
import { notAllowed, type Policy } from './policy.ts';

const MAX_REDIRECTS = 5;
const TIMEOUT_MS = 15_000;
const TOO_MANY_REDIRECTS = 'TOO_MANY_REDIRECTS';

const CERTIFICATE = 'its certificate is not signed by a trusted authority';
const SLOW = `it gave no answer within ${formatSeconds(TIMEOUT_MS)}`;
/** By the code of the system call or of TLS, or by the name of the error. */
const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  HPE_INVALID_CONSTANT: 'it does not speak HTTP',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'no route to its network',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be resolved now',
  ETIMEDOUT: SLOW,
  TimeoutError: SLOW,
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
  readonly headers?: Readonly<Record<string, string>>;
  readonly stop?: AbortSignal;
  /** How names are resolved. Default: by the system. */
  readonly resolve?: Resolve | undefined;
}

/**
 * Fetches `url`, over redirects: headers and body within 15 s.
 * @throws Terminal NotAllowed with `path` for a redirect or an address that is not allowed, and what failed, also when `stop` aborts: see
 * `fetchFailure` for its words
 */
export async function allowedFetch(
  policy: Policy,
  url: string,
  path: string,
  options: FetchOptions = {},
): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const stop = options.stop ? AbortSignal.any([timeout, options.stop]) : timeout;
  return webResponse(await allowedRequest(policy, url, path, { ...options, stop, keeps: true }));
}

/**
 * As `allowedFetch`, for a body that may take as long as it likes: only its headers have to come within 15 s. The caller reads or
 * destroys it.
 */
export async function openAllowed(
  policy: Policy,
  url: string,
  path: string,
  options: FetchOptions & { readonly stop: AbortSignal },
): Promise<IncomingMessage> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DOMException('late', 'TimeoutError')), TIMEOUT_MS);
  try {
    const stop = AbortSignal.any([late.signal, options.stop]);
    return await allowedRequest(policy, url, path, { ...options, stop, keeps: false });
  } finally {
    clearTimeout(timer);
  }
}

interface AllowedRequest extends FetchOptions {
  readonly stop: AbortSignal;
  /** Keeps connections for a moment, for the next request to the same server. */
  readonly keeps: boolean;
}

/** Connections that are kept, by the addresses that they may lead to. */
const AGENTS = new Map<AddressScope, ReturnType<typeof newAgents>>();

function agentsOf(scope: AddressScope) {
  const agents = AGENTS.get(scope) ?? newAgents();
  AGENTS.set(scope, agents);
  return agents;
}

function newAgents() {
  const options = { keepAlive: true, timeout: 5_000 };
  return { http: new (http().Agent)(options), https: new (https().Agent)(options) };
}

async function allowedRequest(
  policy: Policy,
  url: string,
  path: string,
  { headers = {}, stop, resolve, keeps }: AllowedRequest,
): Promise<IncomingMessage> {
  let at = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const scope = policy.addressesOf(at);
    if (scope === undefined) throw notAllowed(path, `a redirect to ${originOf(at)}`, originOf(at));
    const mayConnect = (address: string) => includesScope(scope, addressScope(address));
    const { protocol } = new URL(at);
    const agent = keeps && resolve === undefined && agentsOf(scope)[protocol === 'https:' ? 'https' : 'http'];
    const request = { headers, signal: stop, mayConnect, resolve, agent };
    const response = await httpRequest(new URL(at), request).catch((error: unknown) => {
      throw isAddressRefused(error) ? addressNotAllowed(at, scope, path) : error;
    });
    const { location } = response.headers;
    const { statusCode: status = 0 } = response;
    if (location === undefined || status < 300 || status > 399) return response;
    response.destroy();
    at = new URL(location, at).href;
  }
  throw Object.assign(new Error('redirected'), { code: TOO_MANY_REDIRECTS });
}

/** Makes the error for an address that is not allowed, without naming it: internal addresses are not for every reader. */
function addressNotAllowed(url: string, scope: AddressScope, path: string): Error {
  const where = scope === 'public' ? 'outside of the Internet' : 'of this machine or its link';
  return notAllowed(path, `${originOf(url)} with an address ${where}`, originOf(url));
}

/** Converts the answer to a Response; no request asks for a compressed body. */
function webResponse(message: IncomingMessage): Response {
  const { statusCode: status = 0, headers } = message;
  const isEmpty = status === 204 || status === 205 || status === 304;
  if (isEmpty) message.destroy();
  const texts = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, [value].flat().join(', ')]],
  );
  const body = isEmpty ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>);
  return new Response(body, { status, headers: texts });
}

/** Reads the body until it is over, or has given so many bytes: may return some more than these. Throws what the connection throws. */
export async function readUpTo({ body }: Response, bytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= bytes) break; // leaving the loop cancels the body
  }
  return Buffer.concat(chunks);
}

/** Describes the failure without Node's own message, which may quote a URL and the secrets in it. */
export function fetchFailure(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    const known = FAILURES[code ?? ''] ?? FAILURES[at.name];
    if (known !== undefined) return known;
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) return `the request failed (${code})`;
  }
  return 'the request failed';
}

/** Formats the status with the reason phrase of the standard, not of the server. */
export function statusText({ status }: Pick<Response, 'status'>): string {
  return [status, http().STATUS_CODES[status]].filter(Boolean).join(' ');
}

function originOf(url: string): string {
  return `${new URL(url).origin}/`;
}

/** Limits the pause that a server may ask for; a longer one would look like a machine that hangs. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/**
 * Returns the milliseconds of the pause that a server asks for, at most an hour; undefined: it asks for none.
 * https://www.rfc-editor.org/rfc/rfc9110#name-retry-after: seconds, or a date.
 */
export function retryAfterMs({ headers }: Pick<Response, 'headers'>): number | undefined {
  const text = headers.get('retry-after')?.trim();
  if (!text) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}

/** Returns true for an answer about the server's own state: too many requests, or an error of the server. */
export function isBusy({ status }: Pick<Response, 'status'>): boolean {
  return status === 429 || status >= 500;
}

/** Returns the URL without its user, password and query, which may be secret. */
export function withoutCredentials(url: string): string {
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  parsed.search = '';
  return parsed.href;
}
