/** Serves an image whose first transfer stalls. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server whose first transfer of an image stops in the middle, until `sendRest` is called. */
export class SlowImage {
  readonly #server: Server;
  readonly #half = Promise.withResolvers<void>();
  readonly #rest = Promise.withResolvers<void>();

  private constructor(content: Buffer) {
    this.#server = createServer(async (request, response) => {
      const range = /^bytes=0-(\d+)$/.exec(request.headers.range ?? '');
      const body = range ? content.subarray(0, Number(range[1]) + 1) : content;
      const rangeHeader = { 'content-range': `bytes 0-${body.length - 1}/${content.length}` };
      response.writeHead(range ? 206 : 200, {
        'content-length': body.length,
        etag: '"1"',
        ...(range && rangeHeader),
      });
      if (range || request.method === 'HEAD') return response.end(request.method === 'HEAD' ? '' : body);
      response.write(body.subarray(0, body.length / 2));
      this.#half.resolve();
      await this.#rest.promise;
      return response.end(body.subarray(body.length / 2));
    });
  }

  static async serve(path: string): Promise<SlowImage> {
    const image = new SlowImage(await readFile(path));
    await once(image.#server.listen(0, '127.0.0.1'), 'listening');
    return image;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/guest.qcow2`;
  }

  /** Resolves when half of the image was sent to a full request, and the rest waits. */
  halfSent(): Promise<void> {
    return this.#half.promise;
  }

  sendRest(): void {
    this.#rest.resolve();
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
