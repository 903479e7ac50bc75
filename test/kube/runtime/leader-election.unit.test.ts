/** Verifies that a leader stops before its lease expires. */

import { afterEach, expect, it } from 'vitest';
import { Client } from '../../../src/kube/client/client.ts';
import { OWN_SERVER_LIMITS } from '../../../src/kube/client/limits.ts';
import { LeaderElection, LeadershipLost } from '../../../src/kube/runtime/leader-election.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { FakeServer } from '../fake-server.ts';
import { WidgetKind, widget } from '../widget.ts';

const open: { close(): void }[] = [];

afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** A server that grants the Lease, and says nothing from `silence` on. */
async function leader(requestOptions: () => Promise<object> = async () => ({})) {
  let isSilent = false;
  const server = await FakeServer.start((_, response, request) => {
    if (isSilent) return;
    if (request.method === 'GET') {
      response.writeHead(404).end('{}');
      return;
    }
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => response.end(body));
  });
  const connection = { ...server.connection, server: server.connection.server, requestOptions };
  const metrics = new Metrics();
  const client = new Client(connection, metrics);
  const election = new LeaderElection({
    client,
    namespace: 'default',
    name: 'lease',
    identity: 'us',
    leaseDurationMs: 2_000,
    renewDeadlineMs: 200,
    retryPeriodMs: 20,
    log: silentLogger,
    metrics,
  });
  const writer = new Client(connection, metrics, OWN_SERVER_LIMITS, election.requireLeading);
  open.push(client, writer, server);
  const silence = () => {
    isSilent = true;
  };
  return { election, server, writer, silence };
}

it('begins nothing before it leads, and nothing once it could not renew in time', async () => {
  const { election, server, writer, silence } = await leader();
  const create = () => writer.create(WidgetKind, widget('a'));
  await expect(create()).rejects.toMatchObject({ code: 'Interrupted' });
  expect(server.requests).toEqual([]);
  const stop = new AbortController();
  await election.acquire(stop.signal);
  const holding = election.hold(stop.signal);
  await create();
  silence();
  await expect(holding).rejects.toThrow(LeadershipLost);
  const before = server.requests.length;
  await expect(create()).rejects.toMatchObject({ code: 'Interrupted' });
  await expect(writer.delete(WidgetKind, { namespace: 'default', name: 'a' })).rejects.toMatchObject({
    code: 'Interrupted',
  });
  expect(server.requests).toHaveLength(before);
});

it('does not lead past the deadline, even where no timer has fired since', async () => {
  const { election } = await leader();
  await election.acquire(new AbortController().signal);
  expect(election.isLeading).toBe(true);
  // As a process does that is busy with one thing: none of its timers fires.
  const until = performance.now() + 250;
  while (performance.now() < until);
  expect(election.isLeading).toBe(false);
  expect(election.requireLeading).toThrow('does not hold the lease default/lease any more');
});

it('loses the lease in time also when the program that prints its credentials never ends', async () => {
  let hangs = false;
  const { election } = await leader(() => (hangs ? new Promise<never>(() => {}) : Promise.resolve({})));
  const stop = new AbortController();
  await election.acquire(stop.signal);
  hangs = true;
  await expect(election.hold(stop.signal)).rejects.toThrow(
    'lost the lease default/lease: not renewed for 0.2 s',
  );
});
