/** Calls of gRPC over a unix socket, by the HTTP/2 of Node: one message there, one back. */

import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { http2 } from '../../../system/node-modules.ts';

/** No answer came in time. */
export class NoAnswerError extends Error {
  constructor(method: string) {
    super(`${method}: no answer`);
    this.name = 'NoAnswerError';
  }
}

/** Of a message: one byte that says whether it is compressed, and four for its length. */
const PREFIX_BYTES = 5;
/** Bytes that may come before we say that we have read some: more than an answer has. */
const WINDOW_BYTES = 2 ** 22;

/** Calls of gRPC over a unix socket: one message there, one back, many at once. https://grpc.io/docs/what-is-grpc/core-concepts */
export class GrpcChannel {
  readonly #session: ClientHttp2Session;

  /** @param socket path of the socket on which the other side listens */
  constructor(socket: string) {
    this.#session = http2().connect('http://localhost', {
      createConnection: () => connectSocket(socket),
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
    });
    // Each call fails by itself.
    this.#session.on('error', () => {});
    this.#session.on('connect', () => this.#session.setLocalWindowSize(WINDOW_BYTES));
    // Nobody stays for it alone.
    this.#session.unref();
  }

  get usable(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  close(): void {
    this.#session.destroy();
  }

  /**
   * @param path for example `/tfplugin5.Provider/ReadResource`
   * @throws NoAnswerError after `limitMs`; Error for any other failure, without what the other side says of it
   */
  call(path: string, message: Uint8Array, limitMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const late = setTimeout(() => {
        reject(new NoAnswerError(path));
        stream.close(http2().constants.NGHTTP2_CANCEL);
      }, limitMs);
      stream.once('close', () => clearTimeout(late));
      answerOf(stream, path).then(resolve, reject);
      stream.end(withPrefix(message));
    });
  }
}

async function answerOf(stream: ClientHttp2Stream, path: string): Promise<Buffer> {
  let status: unknown;
  const take = (headers: Readonly<Record<string, unknown>>) => {
    status ??= headers['grpc-status'];
  };
  // An answer that has no message has its status in the headers.
  stream.on('response', take);
  stream.on('trailers', take);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  if (status !== '0') throw new Error(`${path}: failed with gRPC status ${status ?? 'unknown'}`);
  return withoutPrefix(Buffer.concat(chunks), path);
}

function withPrefix(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function withoutPrefix(answer: Buffer, path: string): Buffer {
  const isWhole = answer.length >= PREFIX_BYTES && answer.readUInt32BE(1) === answer.length - PREFIX_BYTES;
  if (!isWhole || answer[0] !== 0) throw new Error(`${path}: the answer is not one plain message`);
  return answer.subarray(PREFIX_BYTES);
}
