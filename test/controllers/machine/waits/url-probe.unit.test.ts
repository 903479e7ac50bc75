/** Verifies that one probe serves all Machines that wait for an image at a URL. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, type TestContext, test, vi } from 'vitest';
import { DependencyWatcher } from '../../../../src/controllers/machine/waits/dependency-waits.ts';
import { type Missing, TerminalError } from '../../../../src/errors.ts';
import { Policy } from '../../../../src/intent/policy.ts';
import type { Libvirt } from '../../../../src/libvirt/libvirt.ts';
import { capturedLog } from '../../../telemetry/log-lines.ts';
import { key } from '../../world.ts';

vi.setConfig({ testTimeout: 60_000 });

/** A tenth of what the product takes. */
const INTERVAL_MS = 150;
const soon = { timeout: 30_000, interval: 20 };
const { log } = capturedLog();

interface Question {
  readonly url: string;
  /** Milliseconds, of performance.now(). */
  readonly at: number;
}

/** A server of images, and machines that wait for some of them. */
class Site {
  readonly servers: Server[] = [];
  readonly asked: Question[] = [];
  readonly appeared: string[] = [];
  answer: (response: ServerResponse, request: IncomingMessage) => void = (response) =>
    response.writeHead(404).end('there is no such image');
  base = '';
  #waiting: DependencyWatcher | undefined;

  static async open({ onTestFinished }: TestContext): Promise<Site> {
    const site = new Site();
    onTestFinished(() => site.#close());
    site.base = await site.serve((request, response) => {
      site.asked.push({ url: request.url ?? '', at: performance.now() });
      site.answer(response, request);
    });
    site.#waiting = new DependencyWatcher({
      libvirt: () => ({}) as Libvirt,
      policy: new Policy({ allow: `${site.base}/` }),
      onAppearance: ({ name }) => site.appeared.push(name),
      urlIntervalMs: INTERVAL_MS,
    });
    return site;
  }

  async serve(listener: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    this.servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async lack(name: string, missing: Missing): Promise<void> {
    const failure = new TerminalError({ code: 'ImageNotFound', message: 'there is no image', missing });
    const context = { log, signal: new AbortController().signal };
    await this.#waiting?.reconcile(key(name), context, () => Promise.reject(failure));
  }

  url(path: string, holdMs?: number) {
    return { kind: 'url', url: `${this.base}${path}`, holdMs } as const;
  }

  /** Milliseconds between one question and the next. */
  get gaps(): number[] {
    return this.asked.slice(1).map(({ at }, index) => at - (this.asked[index]?.at ?? 0));
  }

  async #close(): Promise<void> {
    await this.#waiting?.run(AbortSignal.abort());
    for (const server of this.servers) {
      server.close();
      server.closeAllConnections();
    }
  }
}

// Each waits for seconds: all at once.
const it = test.concurrent;

it('sends one request for all Machines that wait, at each try', async (context) => {
  const site = await Site.open(context);
  let connections = 0;
  site.servers[0]?.on('connection', () => {
    connections += 1;
  });
  site.answer = (response, { headers }) => {
    expect(headers.range).toBe('bytes=0-0');
    if (site.asked.length < 10) response.writeHead(404).end('there is no such image');
    else response.writeHead(206, { 'content-range': 'bytes 0-0/1000' }).end('Q');
  };
  await site.lack('a', site.url('/late.qcow2'));
  await site.lack('b', site.url('/late.qcow2'));
  // The second one's request failed a moment later, and another answer came with it.
  await site.lack('c', site.url('/late.qcow2', 0));
  // An interval that doubled each time would take more than two minutes.
  await vi.waitFor(() => expect(site.appeared).toEqual(['a', 'b', 'c']), soon);
  expect(site.asked).toHaveLength(10);
  expect(connections).toBe(1);
});

it('waits as long as a server asks for, with all requests to that server', async (context) => {
  const site = await Site.open(context);
  site.answer = (response) => {
    if (site.asked.length > 1) response.writeHead(200).end('image');
    else response.writeHead(429, { 'retry-after': '1' }).end();
  };
  await site.lack('a', site.url('/a'));
  await vi.waitFor(() => expect(site.asked).toHaveLength(1), soon);
  await site.lack('b', site.url('/b'));
  await vi.waitFor(() => expect(site.appeared.sort()).toEqual(['a', 'b']), soon);
  const [first] = site.gaps;
  expect(first).toBeGreaterThan(900);
});

it("respects what the server answered to the Machine's own request", async (context) => {
  const site = await Site.open(context);
  site.answer = (response) => response.writeHead(200).end('image');
  const began = performance.now();
  await site.lack('a', site.url('/a', 1_000));
  await vi.waitFor(() => expect(site.appeared).toEqual(['a']), soon);
  expect((site.asked[0]?.at ?? 0) - began).toBeGreaterThan(900);
});

it('asks a failing server less and less often', async (context) => {
  const site = await Site.open(context);
  site.answer = (response) => {
    if (site.asked.length > 3) response.writeHead(200).end('image');
    else response.writeHead(503).end();
  };
  await site.lack('a', site.url('/a'));
  await vi.waitFor(() => expect(site.appeared).toEqual(['a']), soon);
  const [, second = 0, third = 0] = site.gaps;
  // Twice and four times the interval, each spread by a fifth.
  expect(second).toBeGreaterThan(1.5 * INTERVAL_MS);
  expect(third).toBeGreaterThan(3.1 * INTERVAL_MS);
});

it('limits the requests to one server at the same time', async (context) => {
  const site = await Site.open(context);
  for (let index = 0; index < 20; index += 1) await site.lack(`m-${index}`, site.url(`/${index}`));
  await vi.waitFor(() => expect(site.asked.length).toBeGreaterThanOrEqual(20), soon);
  // A tenth of a second between two; without that, all came within a few milliseconds.
  expect((site.asked[19]?.at ?? 0) - (site.asked[0]?.at ?? 0)).toBeGreaterThan(1_000);
});

it('continues on its own when the server starts later than the Machine', async (context) => {
  const site = await Site.open(context);
  const port = Number(new URL(site.base).port);
  const closed = once(site.servers[0] as Server, 'close');
  site.servers[0]?.close();
  await closed;
  await site.lack('a', site.url('/a'));
  const later = createServer((_, response) => response.writeHead(200).end('image')).listen(port, '127.0.0.1');
  site.servers.push(later);
  await vi.waitFor(() => expect(site.appeared).toEqual(['a']), soon);
});

it("follows no redirect to a server that is not allowed: the Machine's own request reports it", async (context) => {
  const site = await Site.open(context);
  let visitors = 0;
  const secret = await site.serve((_, response) => {
    visitors += 1;
    response.writeHead(200).end('image');
  });
  site.answer = (response) => response.writeHead(302, { location: `${secret}/metadata` }).end();
  await site.lack('a', site.url('/a'));
  await vi.waitFor(() => expect(site.appeared).toEqual(['a']), soon);
  expect(visitors).toBe(0);
});
