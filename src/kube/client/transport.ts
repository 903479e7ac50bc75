/** Sends requests to an API server, within limits of time and size, and repeats those that it asks to repeat. */

import type { Agent, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { RequestOptions } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { abortable } from '../../system/abortable.ts';
import { backoffDelay } from '../../system/backoff.ts';
import { formatSeconds } from '../../system/duration.ts';
import { ConnectionRefusedByGuard, GuardedAgent } from '../../system/network/guarded-agent.ts';
import { httpFor } from '../../system/node-modules.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { traced } from '../../telemetry/spans.ts';
import { ApiError } from './api-error.ts';
import type { Connection } from './connection.ts';
import { ERROR_BODY_BYTES, type ResponseLimits } from './limits.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute, for example `/api/v1/namespaces/default/secrets`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the answer; default `application/json`. */
  readonly accept?: string;
  /** Of the body; default `application/json`. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** True: returns the first answer, and does not repeat the request for a busy server. */
  readonly once?: boolean;
}

/** Limits the attempts of one request; the last delay is about one second. Longer outages are left to the caller's back-off. */
const ATTEMPTS = 5;
const RETRY = { baseMs: 100, maxMs: 2_000 };

/** Limits the wait here when the server asks for a pause. A longer one is reported as `retryAfterMs`. */
const MAX_RETRY_AFTER_MS = 5_000;

/** Limits the time until an answer begins, and of a whole answer of `send`. A page of 500 objects takes well under a second. */
const TIMEOUT_MS = 30_000;

/** TCP keep-alive finds a peer that vanished: 15 s idle, then ten probes of one second. */
const KEEP_ALIVE_MS = 15_000;

/** Sends HTTP requests to one API server, with connections kept alive, authentication and retries. Throws `ApiError`. */
export class Transport {
  private readonly connection: Connection;
  private readonly agent: Agent;
  private readonly limits: ResponseLimits;
  private readonly requests;
  private readonly durations;

  constructor(connection: Connection, metrics: Metrics, limits: ResponseLimits) {
    this.connection = connection;
    this.limits = limits;
    this.agent = agentOf(connection);
    this.requests = metrics.counter(
      'rest_client_requests_total',
      'Requests to the API server by method and HTTP status (0: no answer).',
      ['method', 'code'],
    );
    this.durations = metrics.histogram(
      'rest_client_request_duration_seconds',
      'Time until the answer of the API server began.',
      ['method'],
    );
  }

  /**
   * Returns the text of the answer. Overload, and lost connections where a repetition is harmless, are retried.
   * @throws ApiError with reason ResponseTooLarge when the answer is longer than the limit
   */
  async send(request: ApiRequest): Promise<string> {
    const deadline = performance.now() + this.limits.requestMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const leftMs = Math.max(1, Math.floor(deadline - performance.now()));
        const timeout = AbortSignal.timeout(Math.min(TIMEOUT_MS, leftMs));
        const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
        return await this.readAll(request, await this.stream({ ...request, signal }));
      } catch (error) {
        request.signal?.throwIfAborted();
        const failure = error instanceof ApiError ? error : this.unreachable(request, error);
        const delay = retryDelay(request, failure, attempt);
        if (delay === undefined || performance.now() + delay >= deadline) throw failure;
        await sleep(delay, undefined, { signal: request.signal });
      }
    }
  }

  /** Returns the answer as a stream, for watches. Is not retried, and has no time limit. */
  async stream(request: ApiRequest): Promise<IncomingMessage> {
    const started = performance.now();
    const { method } = request;
    try {
      const response = await traced(`API ${method}`, { path: request.path }, () => this.open(request));
      this.durations.observe((performance.now() - started) / 1000, { method });
      const code = response.statusCode ?? 0;
      this.requests.inc({ method, code: String(code) });
      if (code >= 200 && code < 300) return response;
      const { 'retry-after': retryAfter } = response.headers;
      const quotes = this.limits.quotesServer;
      throw ApiError.fromResponse(describe(request), {
        ...{ code, retryAfter, quotes },
        body: await readStart(response),
      });
    } catch (error) {
      if (error instanceof ApiError) throw error;
      request.signal?.throwIfAborted();
      this.requests.inc({ method, code: '0' });
      throw this.unreachable(request, error);
    }
  }

  /** Closes the connections that are idle or in use. */
  close(): void {
    this.agent.destroy();
  }

  private async open(request: ApiRequest): Promise<IncomingMessage> {
    const { server } = this.connection;
    const inTime = AbortSignal.timeout(TIMEOUT_MS);
    const signal = request.signal ? AbortSignal.any([request.signal, inTime]) : inTime;
    // A program that prints credentials may never end.
    const { headers, ...authentication } = await abortable(this.connection.requestOptions(), signal);
    const payload = request.body === undefined ? undefined : JSON.stringify(request.body);
    const options: RequestOptions = {
      agent: this.agent,
      ...authentication,
      method: request.method,
      signal: request.signal,
      headers: {
        Accept: request.accept ?? 'application/json',
        'User-Agent': 'caplv',
        ...(payload !== undefined && {
          'Content-Type': request.contentType ?? 'application/json',
          'Content-Length': Buffer.byteLength(payload),
        }),
        ...(headers as OutgoingHttpHeaders),
      },
    };
    return new Promise((resolve, reject) => {
      // Set, not resolved: a path that begins with two slashes would name another server.
      const url = new URL(server);
      url.search = '';
      url.pathname = server.pathname.replace(/\/$/, '') + request.path;
      for (const [name, value] of Object.entries(request.query ?? {})) {
        if (value !== undefined) url.searchParams.set(name, String(value));
      }
      const send = httpFor(server.protocol).request;
      const sent = send(url, options).once('response', resolve).once('error', reject);
      // A connection that died unnoticed would swallow the request for a quarter of an hour.
      const late = () => sent.destroy(new Error(`no answer within ${formatSeconds(TIMEOUT_MS)}`));
      const timer = setTimeout(late, TIMEOUT_MS);
      for (const event of ['response', 'close']) sent.once(event, () => clearTimeout(timer));
      sent.end(payload);
    });
  }

  private async readAll(request: ApiRequest, response: IncomingMessage): Promise<string> {
    const { bodyBytes } = this.limits;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      // Leaving the loop destroys the response and its connection.
      if (size > bodyBytes)
        throw ApiError.tooLarge(describe(request), `an answer of more than ${bodyBytes} bytes`);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  private unreachable(request: ApiRequest, cause: unknown): ApiError {
    if (cause instanceof ConnectionRefusedByGuard)
      return ApiError.notAllowed(describe(request), cause.reason, cause);
    const { origin } = this.connection.server;
    return ApiError.unreachable(describe(request), origin, cause, this.limits.quotesServer);
  }
}

function agentOf({ server, guard }: Connection): Agent {
  const options = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS };
  if (guard) return new GuardedAgent(options, guard);
  return new (httpFor(server.protocol).Agent)(options);
}

function describe({ method, path }: ApiRequest): string {
  return `${method} ${path}`;
}

/** Returns the milliseconds until the next attempt; undefined: there is none. */
function retryDelay({ method, once }: ApiRequest, error: ApiError, attempt: number): number | undefined {
  if (once || attempt === ATTEMPTS || !isRetriable(method, error)) return undefined;
  if (error.retryAfterMs !== undefined && error.retryAfterMs > MAX_RETRY_AFTER_MS) return undefined;
  return Math.max(error.retryAfterMs ?? 0, backoffDelay(attempt, RETRY));
}

function isRetriable(method: ApiRequest['method'], { code, reason, cause }: ApiError): boolean {
  if (reason === 'ResponseTooLarge' || reason === 'NotAllowed') return false;
  if (code === 429) return true;
  if ((cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED') return true;
  // A POST without an answer may have created its object: only the caller knows whether it can be repeated.
  if (method === 'POST') return false;
  if (code === 0) return (cause as Error | undefined)?.name !== 'TimeoutError';
  return code === 502 || code === 503 || code === 504;
}

/** Reads the first bytes of an error's body, for as long as a whole answer may take. */
async function readStart(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => response.destroy(), TIMEOUT_MS);
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size >= ERROR_BODY_BYTES) break;
    }
  } catch {
    // The status alone is enough.
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).subarray(0, ERROR_BODY_BYTES).toString('utf8');
}
