/** Makes HTTP GET requests to addresses that the caller allows. */

import type { Agent, IncomingMessage } from 'node:http';
import { httpFor } from '../node-modules.ts';
import { checkedLookup, type Resolve, requireAddress } from './checked-lookup.ts';

export interface HttpRequest {
  readonly headers: Readonly<Record<string, string>>;
  /** Asked of each address before a connection to it is opened. */
  readonly mayConnect: (address: string) => boolean;
  /** How names are resolved. Default: by the system. */
  readonly resolve?: Resolve | undefined;
  /** Keeps connections for requests with the very same `mayConnect` and `resolve`, and no others. False: keeps none. */
  readonly agent: Agent | false;
  /** Ends the request, and the reading of its answer, with its reason as the error. */
  readonly signal: AbortSignal;
}

/** Servers refuse those who do not say who they are. */
const OURS = { accept: '*/*', 'user-agent': 'caplv' };

/**
 * Makes one GET request, and follows no redirect. Returns the answer with its body unread, which the caller reads or destroys.
 * @throws errors of Node, see `isAddressRefused` for one of them, and for a URL with a user or password
 */
export async function httpRequest(url: URL, options: HttpRequest): Promise<IncomingMessage> {
  if (url.username !== '' || url.password !== '') throw new Error('the URL has credentials');
  requireAddress(url.hostname, options.mayConnect);
  const first = send(url, options);
  try {
    return await first.answer;
  } catch (error) {
    // The server had closed the connection that was kept, which says nothing of the request.
    const isStale = first.sent.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
    if (!isStale || options.signal.aborted) throw error;
    return send(url, { ...options, agent: false }).answer;
  }
}

function send(url: URL, { headers, mayConnect, resolve, agent, signal }: HttpRequest) {
  signal.throwIfAborted();
  const { promise, resolve: answered, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = httpFor(url.protocol).request(url, {
    headers: { ...OURS, ...headers },
    agent,
    lookup: checkedLookup(mayConnect, resolve),
  });
  let stoppable: { readonly destroy: (reason: Error) => unknown } = sent;
  const abort = () => stoppable.destroy(signal.reason);
  const forget = () => signal.removeEventListener('abort', abort);
  signal.addEventListener('abort', abort, { once: true });
  sent.on('response', (message) => {
    stoppable = message;
    message.on('close', forget);
    answered(message);
  });
  // Also after the answer has come: its reader is told by the answer itself.
  sent.on('error', (error) => {
    if (stoppable === sent) forget();
    reject(error);
  });
  sent.end();
  return { sent, answer: promise };
}
