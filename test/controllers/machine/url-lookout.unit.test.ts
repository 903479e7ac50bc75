import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Waiting } from '../../../src/controllers/machine/waiting.ts';
import { type Missing, Terminal } from '../../../src/errors.ts';
import { Policy } from '../../../src/intent/policy.ts';
import type { Libvirt } from '../../../src/libvirt/libvirt.ts';
import { capturedLog } from '../../kube/log-lines.ts';
import { key } from '../world.ts';

vi.setConfig({ testTimeout: 60_000 });

const soon = { timeout: 30_000, interval: 20 };
const { log } = capturedLog();

interface Question {
  readonly url: string;
  /** Milliseconds, of performance.now(). */
  readonly at: number;
}

let servers: Server[];
let base: string;
let asked: Question[];
let answer: (response: ServerResponse, request: IncomingMessage) => void;
let appeared: string[];
let waiting: Waiting;

beforeEach(async () => {
  servers = [];
  asked = [];
  appeared = [];
  answer = (response) => response.writeHead(404).end('there is no such image');
  base = await serve((request, response) => {
    asked.push({ url: request.url ?? '', at: performance.now() });
    answer(response, request);
  });
  waiting = new Waiting({
    libvirt: () => ({}) as Libvirt,
    policy: new Policy({ allow: `${base}/` }),
    onAppearance: ({ name }) => appeared.push(name),
  });
});

afterEach(async () => {
  await waiting.run(AbortSignal.abort());
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

async function serve(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function lack(name: string, missing: Missing): Promise<void> {
  const failure = new Terminal({ code: 'ImageNotFound', message: 'there is no image', missing });
  const context = { log, signal: new AbortController().signal };
  await waiting.reconcile(key(name), context, () => Promise.reject(failure));
}

const url = (path: string, holdMs?: number) => ({ kind: 'url', url: `${base}${path}`, holdMs }) as const;

/** Milliseconds between one question and the next. */
const gaps = () => asked.slice(1).map(({ at }, index) => at - (asked[index]?.at ?? 0));

it('asks once for all that wait, as often at the seventh time as at the first', async () => {
  let connections = 0;
  servers[0]?.on('connection', () => {
    connections += 1;
  });
  answer = (response, { headers }) => {
    expect(headers.range).toBe('bytes=0-0');
    if (asked.length < 7) response.writeHead(404).end('there is no such image');
    else response.writeHead(206, { 'content-range': 'bytes 0-0/1000' }).end('Q');
  };
  await lack('a', url('/late.qcow2'));
  await lack('b', url('/late.qcow2'));
  // The second one's request failed a moment later, and another answer came with it.
  await lack('c', url('/late.qcow2', 0));
  // With each look twice as late as the one before it would take three minutes.
  await vi.waitFor(() => expect(appeared).toEqual(['a', 'b', 'c']), soon);
  expect(asked).toHaveLength(7);
  expect(connections).toBe(1);
});

it('leaves a server alone for as long as it asks, with all that wait for something of it', async () => {
  answer = (response) => {
    if (asked.length > 1) response.writeHead(200).end('image');
    else response.writeHead(429, { 'retry-after': '4' }).end();
  };
  await lack('a', url('/a'));
  await vi.waitFor(() => expect(asked).toHaveLength(1), soon);
  await lack('b', url('/b'));
  await vi.waitFor(() => expect(appeared.sort()).toEqual(['a', 'b']), soon);
  const [first] = gaps();
  expect(first).toBeGreaterThan(3_900);
});

it('knows what the server said to the machine itself', async () => {
  answer = (response) => response.writeHead(200).end('image');
  const began = performance.now();
  await lack('a', url('/a', 3_000));
  await vi.waitFor(() => expect(appeared).toEqual(['a']), soon);
  expect((asked[0]?.at ?? 0) - began).toBeGreaterThan(2_900);
});

it('asks a server that is in trouble ever less often', async () => {
  answer = (response) => {
    if (asked.length > 3) response.writeHead(200).end('image');
    else response.writeHead(503).end();
  };
  await lack('a', url('/a'));
  await vi.waitFor(() => expect(appeared).toEqual(['a']), soon);
  const [, second = 0, third = 0] = gaps();
  // 3 s and 6 s, each spread by a fifth.
  expect(second).toBeGreaterThan(2_300);
  expect(third).toBeGreaterThan(4_700);
});

it('does not ask one server for many things all at once', async () => {
  for (let index = 0; index < 20; index += 1) await lack(`m-${index}`, url(`/${index}`));
  await vi.waitFor(() => expect(asked.length).toBeGreaterThanOrEqual(20), soon);
  // A tenth of a second between two; without that, all came within a few milliseconds.
  expect((asked[19]?.at ?? 0) - (asked[0]?.at ?? 0)).toBeGreaterThan(1_000);
});

it('goes on by itself when the server comes up later than the machine', async () => {
  const port = Number(new URL(base).port);
  const closed = once(servers[0] as Server, 'close');
  servers[0]?.close();
  await closed;
  await lack('a', url('/a'));
  const later = createServer((_, response) => response.writeHead(200).end('image')).listen(port, '127.0.0.1');
  servers.push(later);
  await vi.waitFor(() => expect(appeared).toEqual(['a']), soon);
});

it('follows no server to where the operator allows nothing: the machine is told so by its own request', async () => {
  let visitors = 0;
  const secret = await serve((_, response) => {
    visitors += 1;
    response.writeHead(200).end('image');
  });
  answer = (response) => response.writeHead(302, { location: `${secret}/metadata` }).end();
  await lack('a', url('/a'));
  await vi.waitFor(() => expect(appeared).toEqual(['a']), soon);
  expect(visitors).toBe(0);
});
