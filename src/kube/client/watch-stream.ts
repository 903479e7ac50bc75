import type { IncomingMessage } from 'node:http';
import { ApiError, type ApiStatus } from './api-error.ts';

export type WatchCallEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  /** Nothing changed up to this resourceVersion. */
  | {
      readonly type: 'BOOKMARK';
      readonly object: { readonly metadata: { readonly resourceVersion: string } };
    };

/** The events of a watch as they come in, a line each. An ERROR event is thrown as `ApiError`. */
export async function* watchEvents<T>(
  request: string,
  response: IncomingMessage,
): AsyncGenerator<WatchCallEvent<T>> {
  try {
    for await (const line of lines(response)) {
      const event = JSON.parse(line) as
        | WatchCallEvent<T>
        | { readonly type: 'ERROR'; readonly object: ApiStatus };
      if (event.type === 'ERROR') throw ApiError.fromStatus(request, event.object);
      yield event;
    }
  } finally {
    response.destroy();
  }
}

async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) if (line) yield line;
  }
}
