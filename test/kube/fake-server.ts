import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Connection } from '../../src/kube/client/connection.ts';

type Answer = (url: URL, response: ServerResponse, request: IncomingMessage) => void;

/** Stands for an API server that does what no good one does. Plain HTTP on loopback. */
export class FakeServer {
  readonly #server: Server;
  /** Path and query of each request so far. */
  readonly requests: string[] = [];

  private constructor(answer: Answer) {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://server');
      this.requests.push(request.url ?? '');
      answer(url, response, request);
    });
  }

  static async start(answer: Answer): Promise<FakeServer> {
    const server = new FakeServer(answer);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get connection(): Connection {
    return { server: new URL(this.url), namespace: 'default', requestOptions: async () => ({}) };
  }

  get kubeconfig(): string {
    return JSON.stringify({
      'current-context': 'c',
      clusters: [{ name: 'c', cluster: { server: this.url } }],
      users: [{ name: 'u', user: { token: 'token' } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Writes as fast as the reader takes it, until the connection ends. */
export function pour(response: ServerResponse, text: string): void {
  const more = () => {
    while (!response.destroyed && response.write(text));
  };
  response.on('drain', more);
  more();
}
