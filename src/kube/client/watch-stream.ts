/** Parses the stream of a watch into events. */

import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { TokenBucket } from '../../system/token-bucket.ts';
import { ApiError, type ApiStatus } from './api-error.ts';
import type { ResponseLimits } from './limits.ts';

export type WatchCallEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  /** Nothing changed up to this resourceVersion. */
  | {
      readonly type: 'BOOKMARK';
      readonly object: { readonly metadata: { readonly resourceVersion: string } };
    };

/**
 * Yields the events of a watch as they come in, a line each. An ERROR event is thrown as `ApiError`, and so is a line that is longer
 * than the limit (reason ResponseTooLarge).
 */
export async function* watchEvents<T>(
  request: string,
  response: IncomingMessage,
  limits: ResponseLimits,
): AsyncGenerator<WatchCallEvent<T>> {
  try {
    for await (const line of lines(request, response, limits)) {
      const event = parse<T>(request, line);
      if (event.type === 'ERROR')
        throw ApiError.fromStatus(request, event.object ?? {}, { quotes: limits.quotesServer });
      yield event;
    }
  } finally {
    response.destroy();
  }
}

type Line<T> = WatchCallEvent<T> | { readonly type: 'ERROR'; readonly object?: ApiStatus };

function parse<T>(request: string, line: string): Line<T> {
  try {
    return JSON.parse(line) as Line<T>;
  } catch (error) {
    throw ApiError.unreadable(request, error);
  }
}

async function* lines(
  request: string,
  response: IncomingMessage,
  { lineBytes, watchBytesPerSecond }: ResponseLimits,
): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  const rate = new TokenBucket({
    perSecond: watchBytesPerSecond,
    burst: watchBytesPerSecond * BURST_SECONDS,
  });
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      parts.push(chunk.subarray(from, end));
      if (length + end - from > lineBytes) throw tooLong(request, lineBytes);
      const line = Buffer.concat(parts).toString('utf8');
      if (line) yield line;
      [parts, length, from] = [[], 0, end + 1];
    }
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > lineBytes) throw tooLong(request, lineBytes);
    const pauseMs = rate.reserve(chunk.length);
    if (pauseMs > 0) await sleep(pauseMs);
  }
}

function tooLong(request: string, lineBytes: number): ApiError {
  return ApiError.tooLarge(request, `a line of more than ${lineBytes} bytes`);
}

const LINE_FEED = 0x0a;
/** Allows bursts of as many seconds' worth of data. */
const BURST_SECONDS = 10;
