/** Verifies that workload connections do not reach the addresses of the controller's own cluster or machine. */

import type { ServerResponse } from 'node:http';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { guessServiceRange, OwnAddresses } from '../../src/app/own-addresses.ts';
import { ServerList } from '../../src/intent/policy/server-list.ts';
import { Client } from '../../src/kube/client/client.ts';
import { FakeServer } from '../kube/fake-server.ts';
import { capturedLog } from '../telemetry/log-lines.ts';
import { closedAfterTest } from './closed-after-test.ts';

type Answers = Readonly<Record<string, object | number>>;

/** In a cluster that answers so, by the last part of the path. A number is a status; what is not given is not found. */
async function ownAddresses(answers: Answers, serviceHost?: string) {
  const answer = ({ pathname }: URL, response: ServerResponse) => {
    const found = answers[pathname.split('/').at(-1) ?? ''] ?? 404;
    if (typeof found === 'number') response.writeHead(found).end();
    else response.end(JSON.stringify(found));
  };
  const server = closedAfterTest(await FakeServer.start(answer));
  const client = closedAfterTest(new Client(server.connection));
  const { log } = capturedLog();
  const own = new OwnAddresses({ client, server: server.connection.server, serviceHost, log });
  const refusal = async (address: string, port = 443) =>
    new ServerList([], false).describeRefusal({ host: address, address, port }, await own.list());
  return { server, refusal };
}

function list(...items: readonly object[]) {
  const named = items.map((spec, i) => ({ metadata: { name: `${i}` }, spec }));
  return { metadata: { resourceVersion: '1' }, items: named };
}

const CLUSTER: Answers = {
  servicecidrs: list({ cidrs: ['10.100.0.0/16', 'fd01::/108'] }),
  kubernetes: { endpoints: [{ addresses: ['198.51.100.7'] }], ports: [{ port: 6443 }] },
  nodes: list({ podCIDRs: ['10.244.3.0/24'] }, {}),
};

describe('a controller in a pod', () => {
  it('keeps to itself the Services, pods and API servers that its cluster tells', async () => {
    const { refusal } = await ownAddresses(CLUSTER, '10.100.0.1');
    expect(await refusal('10.100.9.9')).toContain('Services');
    expect(await refusal('fd01::5')).toContain('Services');
    expect(await refusal('10.244.3.9')).toContain('pod network');
    expect(await refusal('198.51.100.7', 6443)).toContain('API server');
    expect(await refusal('198.51.100.7', 443)).toBeUndefined();
    expect(await refusal('10.101.0.1')).toBeUndefined();
    expect(await refusal('10.244.4.9')).toBeUndefined();
  });

  it('guesses the range of Services where the cluster does not tell it, or not to us', async () => {
    const { refusal } = await ownAddresses({ ...CLUSTER, servicecidrs: 403 }, '10.96.0.1');
    expect(await refusal('10.111.9.9')).toContain('Services');
    expect(await refusal('10.112.0.1')).toBeUndefined();
  });
});

describe('a controller on a machine of its own', () => {
  it('reaches private networks, but no address of that machine and no API server of its cluster', async () => {
    const { server, refusal } = await ownAddresses(CLUSTER);
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    for (const { address } of own) expect(await refusal(address)).toBeTypeOf('string');
    expect(await refusal('127.0.0.1', server.port)).toBeTypeOf('string');
    expect(await refusal('192.0.2.77')).toBeUndefined();
    expect(await refusal('10.244.3.9')).toBeUndefined();
  });
});

it("while the cluster's own addresses are not known, no connection is opened; they are read again", async () => {
  const answers: Record<string, object | number> = { servicecidrs: 500 };
  const { server, refusal } = await ownAddresses(answers);
  await expect(refusal('10.0.0.1')).rejects.toThrow('cannot be read now');
  answers['servicecidrs'] = list({ cidrs: ['10.0.0.0/24'] });
  expect(await refusal('10.0.0.1')).toContain('Services');
  const asked = server.requests.length;
  expect(await refusal('10.0.1.1')).toBeUndefined();
  expect(server.requests).toHaveLength(asked);
});

it.each([
  ['10.96.0.1', '10.96.0.0/12'],
  ['10.43.0.1', '10.43.0.0/16'],
  ['172.20.0.1', '172.20.0.0/14'],
  ['10.0.0.1', '10.0.0.0/12'],
  ['192.168.127.1', '192.168.127.0/24'],
  ['203.0.113.6', '203.0.113.5/32'],
  ['fd00::1', undefined],
  ['kubernetes', undefined],
])('the Services of a cluster whose API server has %s there are taken to be in %s', (address, range) => {
  expect(guessServiceRange(address)).toBe(range);
});
