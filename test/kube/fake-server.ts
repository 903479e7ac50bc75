/** Serves HTTPS as a test tells it, in place of an API server. */

import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection } from '../../src/kube/client/connection.ts';
import { CertificateAuthority, type KeyPair } from '../lab/kube/certificates.ts';

type Answer = (url: URL, response: ServerResponse, request: IncomingMessage) => void;

interface Certificate extends KeyPair {
  /** Of the authority; PEM. */
  readonly ca: string;
}

/** Stands for an API server that does what no good one does. On loopback: plain HTTP, or HTTPS with a CA of its own. */
export class FakeServer {
  readonly #server: Server;
  readonly #ca: string | undefined;
  /** Path and query of each request so far. */
  readonly requests: string[] = [];

  private constructor(answer: Answer, certificate?: Certificate) {
    const take = (request: IncomingMessage, response: ServerResponse) => {
      const url = new URL(request.url ?? '/', 'http://server');
      this.requests.push(request.url ?? '');
      answer(url, response, request);
    };
    this.#ca = certificate?.ca;
    this.#server = certificate ? createSecureServer(certificate, take) : createServer(take);
  }

  static async start(answer: Answer): Promise<FakeServer> {
    return new FakeServer(answer).#listen();
  }

  /** As a kubeconfig of a workload cluster may name it. */
  static async startSecure(answer: Answer): Promise<FakeServer> {
    certificate ??= issue();
    return new FakeServer(answer, await certificate).#listen();
  }

  async #listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get url(): string {
    return `${this.#ca === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connection(): Connection {
    return { server: new URL(this.url), namespace: 'default', requestOptions: async () => ({}) };
  }

  get kubeconfig(): string {
    return this.kubeconfigWith({});
  }

  /** `cluster`: fields of the cluster in place of the usual ones. */
  kubeconfigWith(cluster: object): string {
    const trust = this.#ca === undefined ? {} : { 'certificate-authority-data': btoa(this.#ca) };
    return JSON.stringify({
      'current-context': 'c',
      clusters: [{ name: 'c', cluster: { server: this.url, ...trust, ...cluster } }],
      users: [{ name: 'u', user: { token: 'token' } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** One for all servers of a test file: it takes openssl a moment. */
let certificate: Promise<Certificate> | undefined;

async function issue(): Promise<Certificate> {
  const dir = await mkdtemp(join(tmpdir(), 'caplv-certificates-'));
  try {
    const authority = await CertificateAuthority.create(dir);
    const pair = await authority.server('server', ['127.0.0.1', 'localhost']);
    return { ...pair, ca: await readFile(authority.certPath, 'utf8') };
  } finally {
    await rm(dir, { recursive: true });
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
