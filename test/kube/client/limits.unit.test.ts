/** Verifies that answers of an API server are limited in size and time. */

import { afterEach, describe, expect, it } from 'vitest';
import { Client } from '../../../src/kube/client/client.ts';
import { ERROR_BODY_BYTES, type ResponseLimits } from '../../../src/kube/client/limits.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { FakeServer, pour } from '../fake-server.ts';
import { WidgetKind } from '../widget.ts';

const LIMITS: ResponseLimits = {
  bodyBytes: 2_000,
  bodyValues: 1_500,
  lineBytes: 1_000,
  items: 100,
  requestMs: 60_000,
  watchBytesPerSecond: 1e9,
  watchOverrunMs: 60_000,
  quotesServer: true,
};

const open: { close(): void }[] = [];

afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function against(answer: Parameters<typeof FakeServer.start>[0], limits: Partial<ResponseLimits> = {}) {
  const server = await FakeServer.start(answer);
  const client = new Client(server.connection, new Metrics(), { ...LIMITS, ...limits });
  open.push(client, server);
  return { server, client };
}

/** JSON of exactly so many bytes. */
function padded(object: object, bytes: number): string {
  const bare = JSON.stringify({ ...object, pad: '' });
  return JSON.stringify({ ...object, pad: 'x'.repeat(bytes - bare.length) });
}

function widget(name: string) {
  return { metadata: { name, namespace: 'default', uid: name, resourceVersion: '1' } };
}

describe('an answer', () => {
  it('is read up to the limit, and refused with one byte more', async () => {
    let bytes = LIMITS.bodyBytes;
    const { client } = await against((_, response) => response.end(padded(widget('a'), bytes)));
    const get = () => client.get(WidgetKind, { namespace: 'default', name: 'a' });
    expect(await get()).toMatchObject(widget('a'));
    bytes += 1;
    await expect(get()).rejects.toMatchObject({ reason: 'ResponseTooLarge' });
  });

  it('has as many values as the limit says, and not one more', async () => {
    // Beside the zeros the object, its name, its list and what is not counted exactly: a name and its value are one.
    let zeros = LIMITS.bodyValues / 2;
    const answer = () => JSON.stringify({ ...widget('a'), zeros: Array(zeros).fill(0) });
    const { client } = await against((_, response) => response.end(answer()), { bodyBytes: 100_000 });
    const get = () => client.get(WidgetKind, { namespace: 'default', name: 'a' });
    expect(await get()).toMatchObject(widget('a'));
    zeros = LIMITS.bodyValues + 1;
    await expect(get()).rejects.toMatchObject({ reason: 'ResponseTooLarge' });
  });

  it('that never ends is left', async () => {
    const { client } = await against((_, response) => pour(response, 'x'.repeat(10_000)));
    await expect(client.raw('GET', '/readyz')).rejects.toMatchObject({ reason: 'ResponseTooLarge' });
  });

  it('that never comes ends with the deadline', async () => {
    const { client } = await against(() => {}, { requestMs: 50 });
    await expect(client.list(WidgetKind)).rejects.toMatchObject({ reason: 'Unreachable' });
    await expect(client.raw('GET', '/readyz')).rejects.toMatchObject({ reason: 'Unreachable' });
  });

  it('that is an endless error is reported by its status, also to a watch, which has no deadline', async () => {
    const { client } = await against((_, response) => {
      response.writeHead(403);
      pour(response, 'x'.repeat(ERROR_BODY_BYTES));
    });
    await expect(client.get(WidgetKind, { namespace: 'default', name: 'a' })).rejects.toMatchObject({
      code: 403,
    });
    const watching = client.watch(WidgetKind, { resourceVersion: '1', timeoutSeconds: 60 });
    await expect(watching).rejects.toMatchObject({ code: 403 });
  });
});

describe('a list', () => {
  it('of which a page is too large comes in smaller pages', async () => {
    const { server, client } = await against((url, response) => {
      const limit = Number(url.searchParams.get('limit'));
      const from = Number(url.searchParams.get('continue') ?? 0);
      const to = Math.min(from + limit, 12);
      const items = Array.from({ length: to - from }, (_, i) => widget(`w${from + i}`));
      response.end(
        padded(
          { metadata: { resourceVersion: '1', ...(to < 12 && { continue: `${to}` }) }, items },
          300 * (to - from),
        ),
      );
    });
    const { items } = await client.list(WidgetKind);
    expect(items.map(({ metadata }) => metadata.name)).toEqual(Array.from({ length: 12 }, (_, i) => `w${i}`));
    expect(server.requests.map((url) => /limit=(\d+)/.exec(url)?.[1])).toEqual(['500', '50', '5', '5', '5']);
  });

  it('has as many objects as the limit says, and not one more', async () => {
    let count = LIMITS.items;
    const { client } = await against(
      (_, response) => {
        const items = Array.from({ length: count }, (_, i) => widget(`w${i}`));
        response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items }));
      },
      { bodyBytes: 100_000 },
    );
    expect((await client.list(WidgetKind)).items).toHaveLength(LIMITS.items);
    count += 1;
    await expect(client.list(WidgetKind)).rejects.toMatchObject({ reason: 'ResponseTooLarge' });
  });

  it('counts also objects of which nothing is kept', async () => {
    let picked = 0;
    const kind = {
      ...WidgetKind,
      pick: () => {
        picked += 1;
        return undefined;
      },
    };
    const items = Array.from({ length: LIMITS.items + 1 }, () => ({}));
    const page = JSON.stringify({ metadata: { resourceVersion: '1' }, items });
    const { client } = await against((_, response) => response.end(page));
    await expect(client.list(kind)).rejects.toMatchObject({ reason: 'ResponseTooLarge' });
    expect(picked).toBe(0);
  });

  it('of pages without an end or an object is left', async () => {
    const page = { metadata: { resourceVersion: '1', continue: 'more' }, items: [] };
    const { server, client } = await against((_, response) => response.end(JSON.stringify(page)));
    await expect(client.list(WidgetKind)).rejects.toMatchObject({ reason: 'ResponseTooLarge' });
    expect(server.requests).toHaveLength(LIMITS.items + 1);
  });
});

describe('a watch', () => {
  async function firstEvent(lineBytes: number) {
    const { client } = await against((_, response) => {
      // In two pieces, as a network brings it.
      const line = padded({ type: 'ADDED', object: widget('a') }, lineBytes);
      response.write(line.slice(0, 7));
      setImmediate(() => response.write(`${line.slice(7)}\n`));
    });
    const events = await client.watch(WidgetKind, { resourceVersion: '1', timeoutSeconds: 60 });
    return (await events.next()).value;
  }

  it('takes a line of the limit, and not one of a byte more', async () => {
    expect(await firstEvent(LIMITS.lineBytes)).toMatchObject({ type: 'ADDED', object: widget('a') });
    await expect(firstEvent(LIMITS.lineBytes + 1)).rejects.toMatchObject({ reason: 'ResponseTooLarge' });
  });

  it('of one line without an end is left', async () => {
    const { client } = await against((_, response) => pour(response, 'x'.repeat(10_000)));
    const events = await client.watch(WidgetKind, { resourceVersion: '1', timeoutSeconds: 60 });
    await expect(events.next()).rejects.toMatchObject({ reason: 'ResponseTooLarge' });
  });

  it('that its server does not end is ended by the client, so that it cannot show an old state for ever', async () => {
    const { client } = await against((_, response) => response.writeHead(200).flushHeaders(), {
      watchOverrunMs: 100,
    });
    const events = await client.watch(WidgetKind, { resourceVersion: '1', timeoutSeconds: 0 });
    await expect(events.next()).rejects.toThrow();
  });
});
