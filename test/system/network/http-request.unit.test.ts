/** Verifies that HTTP requests connect to allowed addresses only. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { isAddressRefused, type Resolve } from '../../../src/system/network/checked-lookup.ts';
import { httpRequest } from '../../../src/system/network/http-request.ts';

const GOOD = '127.0.0.1';
/** Outside of what is allowed: a server there counts who connects. */
const BAD = '127.0.0.2';

/** Two servers on one port, of which the second leaves a mark of each connection. */
async function servers(): Promise<{ readonly port: number; readonly marks: () => number }> {
  let marks = 0;
  const good = createServer((request, response) =>
    // As servers do to those who do not say who they are.
    response.writeHead(request.headers['user-agent'] ? 200 : 403).end('good'),
  );
  const bad = createServer((_, response) => response.end('bad')).on('connection', () => {
    marks += 1;
  });
  const { port } = await listen(good, 0, GOOD);
  await listen(bad, port, BAD);
  return { port, marks: () => marks };
}

async function listen(server: Server, port: number, address: string): Promise<AddressInfo> {
  await once(server.listen(port, address), 'listening');
  onTestFinished(() => void server.close());
  return server.address() as AddressInfo;
}

function ask(host: string, port: number, resolve?: Resolve) {
  return httpRequest(new URL(`http://${host}:${port}/`), {
    headers: {},
    mayConnect: (address) => address === GOOD,
    resolve,
    agent: false,
    signal: new AbortController().signal,
  });
}

const at = (...addresses: string[]) => addresses.map((address) => ({ address, family: 4 }));

it('a name that leads elsewhere the second time is refused then: the address that is connected to is checked', async () => {
  const { port, marks } = await servers();
  const answers = [at(GOOD), at(BAD)];
  const resolve = async () => answers.shift() ?? [];
  const answer = await ask('images.example.com', port, resolve);
  expect([answer.statusCode, await text(answer)]).toEqual([200, 'good']);
  const refused = await ask('images.example.com', port, resolve).catch((error: unknown) => error);
  expect(isAddressRefused(refused)).toBe(true);
  expect(marks()).toBe(0);
});

it('of several addresses only those that are allowed are tried', async () => {
  const { port, marks } = await servers();
  expect(await text(await ask('images.example.com', port, async () => at(BAD, GOOD)))).toBe('good');
  expect(marks()).toBe(0);
});

it.each([BAD, '2130706434', '0x7f.2', '[::ffff:127.0.0.2]'])(
  'an address in place of a name is checked too: %s',
  async (host) => {
    const { port, marks } = await servers();
    const refused = await ask(host, port).catch((error: unknown) => error);
    expect(isAddressRefused(refused)).toBe(true);
    expect(marks()).toBe(0);
  },
);

it('a name without an address is not known', async () => {
  await expect(ask('images.example.com', 9, async () => [])).rejects.toMatchObject({ code: 'ENOTFOUND' });
});
