/**
 * Gives the provider what volumes are filled from: on 127.0.0.1, at a path that only it is told, for as long as a run lasts. The provider
 * would follow any redirect, and open whatever a name leads to by then; here each byte has passed the policy, on its way and without a
 * file in between.
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { shown } from '../../intent/image.ts';
import type { Policy } from '../../intent/policy.ts';
import type { Resolve } from '../../system/network/checked-lookup.ts';
import { http } from '../../system/node-modules.ts';
import { RelayedSource, type Transfer } from './relayed-source.ts';
import type { VolumeSource } from './source-reader.ts';

/** What one run fetches. */
export interface Offer {
  /** Where the provider finds it. */
  readonly url: string;
  /** Why it was not given whole, the last time; undefined: it was, or nothing was asked for. */
  readonly failure: Error | undefined;
  /** What was given, whole. */
  readonly transfer: Transfer | undefined;
}

interface OpenOffer {
  readonly source: RelayedSource;
  readonly stop: AbortController;
  failure: Error | undefined;
  transfer: Transfer | undefined;
}

const HOST = '127.0.0.1';
const TOKEN_BYTES = 32;

/** How often progress is reported. A condition is written as often. */
const PROGRESS_MS = 5_000;

interface RelayOptions {
  /** How names are resolved. Default: by the system. */
  readonly resolve?: Resolve;
  /** Milliseconds between two reports of progress. Default: 5 s. */
  readonly progressMs?: number;
}

export type SourceProgress = RelayedSource['progress'];

export class SourceRelay {
  readonly #policy: Policy;
  readonly #resolve: Resolve | undefined;
  readonly #progressMs: number;
  readonly #offers = new Map<string, OpenOffer>();
  #server: Promise<Server> | undefined;

  constructor(policy: Policy, { resolve, progressMs = PROGRESS_MS }: RelayOptions = {}) {
    this.#policy = policy;
    this.#resolve = resolve;
    this.#progressMs = progressMs;
  }

  /**
   * Offers a source while `work` runs. Where that fails, and the source could not be given, the reason for this is thrown: terraform
   * knows only that the connection was closed. `onProgress` is called each 5 s if there is any.
   * @throws what `RelayedSource.open` throws, and what `work` does
   */
  async offer<T>(
    source: VolumeSource,
    work: (offer: Offer) => Promise<T>,
    onProgress?: (progress: SourceProgress) => void,
  ): Promise<T> {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    const open: OpenOffer = {
      source: new RelayedSource(source, this.#policy, this.#resolve),
      stop: new AbortController(),
      failure: undefined,
      transfer: undefined,
    };
    this.#offers.set(token, open);
    const reports = onProgress && setInterval(reporter(open.source, onProgress), this.#progressMs);
    let url: string | undefined;
    try {
      // The provider would be taken to hang while a large image is unpacked for its size.
      if (source.kind === 'image') await open.source.size(open.stop.signal);
      const { port } = (await this.#listening()).address() as AddressInfo;
      url = `http://${HOST}:${port}/${token}/${open.source.name}`;
      return await work({
        url,
        get failure() {
          return open.failure;
        },
        get transfer() {
          return open.transfer;
        },
      });
    } catch (error) {
      // The provider names what it was given, which says nothing to people.
      if (url && error instanceof Error) error.message = error.message.replaceAll(url, shown(source.source));
      throw open.failure ?? error;
    } finally {
      clearInterval(reports);
      this.#offers.delete(token);
      open.stop.abort();
      await open.source.close();
      if (this.#offers.size === 0) await this.#close();
    }
  }

  #listening(): Promise<Server> {
    this.#server ??= listen((request, response) => this.#answer(request, response));
    return this.#server;
  }

  async #close(): Promise<void> {
    const closing = this.#server;
    this.#server = undefined;
    const server = await closing?.catch(() => undefined);
    server?.close();
    server?.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const offer = this.#offers.get(request.url?.split('/')[1] ?? '');
    const { method } = request;
    if (!offer || (method !== 'GET' && method !== 'HEAD')) return void response.writeHead(404).end();
    try {
      await give(offer, method, response);
    } catch (error) {
      // Of one who has gone, since the run was ended, nothing is to be said.
      if (!response.closed) offer.failure = error as Error;
      if (response.headersSent) response.destroy();
      // Asked again for whatever is 500 or above, it would answer the same.
      else response.writeHead(404).end();
    }
  }
}

/** Returns what reports progress each time that there is any, and says nothing while there is none. */
function reporter(source: RelayedSource, onProgress: (progress: SourceProgress) => void): () => void {
  let before = 0;
  return () => {
    const { progress } = source;
    if (progress.bytes === before) return;
    before = progress.bytes;
    onProgress(progress);
  };
}

async function give(offer: OpenOffer, method: 'GET' | 'HEAD', response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const stop = AbortSignal.any([gone.signal, offer.stop.signal]);
  const headersOf = (bytes: number) => ({
    'content-length': bytes,
    'content-type': 'application/octet-stream',
  });
  if (method === 'HEAD') return void response.writeHead(200, headersOf(await offer.source.size(stop))).end();
  const { bytes, content } = await offer.source.open(stop);
  try {
    let step = await content.next();
    response.writeHead(200, headersOf(bytes));
    while (!step.done) {
      // Who has the last byte has all: what was given is known before.
      const next = await content.next();
      if (next.done) note(offer, next.value);
      if (!response.write(step.value) && !next.done) await once(response, 'drain', { signal: stop });
      step = next;
    }
    note(offer, step.value);
    response.end();
  } finally {
    await content.return(NOTHING);
  }
}

function note(offer: OpenOffer, transfer: Transfer): void {
  offer.transfer = transfer;
  offer.failure = undefined;
}

const NOTHING: Transfer = { bytes: 0, sha256: '' };

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Server> {
  // A run of hours may be under way before it asks.
  const server = http().createServer(
    { requestTimeout: 0 },
    (request, response) => void answer(request, response),
  );
  await once(server.listen(0, HOST), 'listening');
  return server;
}
