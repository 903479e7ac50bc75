/** Relays TCP connections that a test can cut. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** A network that can be cut, between a client and a server on loopback. */
export class TcpProxy {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private refusing = false;
  /** What a client sends arrives that much later. */
  delayMs = 0;

  private constructor(targetPort: number) {
    this.server = createServer((client) => {
      if (this.refusing) {
        client.destroy();
        return;
      }
      const target = connect(targetPort, '127.0.0.1');
      for (const [from, to] of [
        [client, target],
        [target, client],
      ] as const) {
        this.sockets.add(from);
        from
          .on('error', () => {})
          .on('close', () => {
            this.sockets.delete(from);
            to.destroy();
          });
        if (from === client) from.pipe(this.delay()).pipe(to);
        else from.pipe(to);
      }
    });
  }

  private delay(): Transform {
    const delayed = new Transform({
      transform: (chunk, _encoding, done) => {
        if (this.delayMs === 0) return done(null, chunk);
        // Later, and not slower: what is sent meanwhile is on its way, too.
        setTimeout(() => delayed.push(chunk), this.delayMs);
        done();
      },
      flush: (done) => void setTimeout(done, this.delayMs),
    });
    return delayed;
  }

  static async to(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(Number(new URL(target).port));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get url(): URL {
    return new URL(`https://127.0.0.1:${(this.server.address() as AddressInfo).port}`);
  }

  /** Breaks every connection; new ones are accepted. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Breaks every connection and each new one, until `restore`. */
  block(): void {
    this.refusing = true;
    this.cut();
  }

  restore(): void {
    this.refusing = false;
  }

  async close(): Promise<void> {
    this.block();
    this.server.close();
    await once(this.server, 'close');
  }
}
