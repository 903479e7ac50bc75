/** Verifies that image downloads reach allowed servers only, and that their errors show no secrets. */

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import {
  allowedFetch,
  fetchFailure,
  retryAfterMs,
  statusText,
  withoutCredentials,
} from '../../src/intent/allowed-fetch.ts';
import { Policy, UNLIMITED } from '../../src/intent/policy.ts';

const asked = (text?: string) =>
  retryAfterMs(new Response('', text ? { headers: { 'retry-after': text } } : {}));

it('takes seconds and dates, and no more than an hour, for a machine would seem to hang', () => {
  expect(asked('120')).toBe(120_000);
  expect(asked('Fri, 31 Dec 1999 23:59:59 GMT')).toBe(0);
  expect(asked(new Date(Date.now() + 86_400_000).toUTCString())).toBe(3_600_000);
  expect(asked('99999999999999999999')).toBe(3_600_000);
});

it('is not delayed by data that cannot be read', () => {
  expect(asked()).toBeUndefined();
  expect(asked('soon')).toBeUndefined();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const failureOf = (url: string) =>
  allowedFetch(UNLIMITED, url, 'spec').then(() => expect.unreachable(), fetchFailure);

it('explains why a server was not reached without the messages of fetch, which quote secrets', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  expect(await failureOf(`http://127.0.0.1:${port}/x?token=s3cret`)).toBe('connection refused');
  // No request was made: the URL is quoted in full by fetch.
  expect(await failureOf('http://user:s3cret@127.0.0.1:9/x')).toBe('the request failed');
  expect(await failureOf('http://nowhere.invalid/x')).toMatch(
    /^its name (is not known|cannot be resolved now)$/,
  );
});

it('passes on nothing of a redirect to a URL with a password, or of one without end', async () => {
  const base = await serve((request, response) => {
    const location = request.url === '/secret' ? 'http://user:s3cret@127.0.0.1:9/' : request.url;
    response.writeHead(302, { location }).end();
  });
  expect(await failureOf(`${base}/secret`)).toBe('the request failed');
  expect(await failureOf(`${base}/round`)).toBe('it redirects more than 5 times');
});

it.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])(
  'reaches nothing on this machine where any host is allowed, neither at once nor by a redirect: %s',
  async (host) => {
    let marks = 0;
    const mark = await serve((_, response) => {
      marks += 1;
      response.end();
    });
    const target = `http://${host}:${new URL(mark).port}/`;
    const base = await serve((_, response) => response.writeHead(302, { location: target }).end());
    const policy = new Policy({ allow: `http://,${base}` });
    for (const url of [target, base]) {
      await expect(allowedFetch(policy, url, 'spec.imageURI')).rejects.toMatchObject({
        code: 'NotAllowed',
        path: 'spec.imageURI',
        message: expect.stringContaining(`${new URL(target).origin}/`),
      });
    }
    expect(marks).toBe(0);
    // The operator has named it.
    const named = new Policy({ allow: `http://,${new URL(target).origin}` });
    if (host === '127.0.0.1') expect((await allowedFetch(named, target, 'spec')).status).toBe(200);
  },
);

it('reaches no private address by a name where any host is allowed, and does where its domain is', async () => {
  const base = await serve((_, response) => response.end());
  const url = `http://images.example.com:${new URL(base).port}/`;
  const to = (address: string) => ({ resolve: async () => [{ address, family: 4 }] });
  const refusal = (allow: string, address: string) =>
    allowedFetch(new Policy({ allow }), url, 'spec', to(address)).then(
      () => expect.unreachable(),
      (error: Error & { code?: string }) => error.code,
    );
  expect(await refusal('http://', '10.0.0.1')).toBe('NotAllowed');
  expect(await refusal('http://', '127.0.0.1')).toBe('NotAllowed');
  expect(await refusal('http://*.example.com', '127.0.0.1')).toBe('NotAllowed');
  expect(await refusal('http://*.example.com', '169.254.169.254')).toBe('NotAllowed');
  const named = new Policy({ allow: new URL(url).origin });
  expect((await allowedFetch(named, url, 'spec', to('127.0.0.1'))).status).toBe(200);
});

it('takes the words of the standard for a status: those of a server may be anything', async () => {
  const base = await serve((_, response) => response.writeHead(404, 'call +1 555 s3cret').end());
  expect(statusText(await allowedFetch(UNLIMITED, base, 'spec'))).toBe('404 Not Found');
  expect(statusText({ status: 599 })).toBe('599');
});

it('shows no credentials of a URL', () => {
  expect(withoutCredentials('https://user:s3cret@host/a?token=s3cret')).toBe('https://host/a');
});
