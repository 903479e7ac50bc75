/** Verifies that a silent or hostile workload API server delays no other cluster. */

import { expect, it } from 'vitest';
import type { Machine } from '../../src/api/kinds/machine.ts';
import { WorkloadConnections } from '../../src/app/workload-connection.ts';
import { NODE_LIST_ITEMS } from '../../src/app/workload-node.ts';
import { WatchedNodes, type WatchedNodesOptions } from '../../src/app/workload-nodes.ts';
import { ServerList } from '../../src/intent/policy/server-list.ts';
import { Client } from '../../src/kube/client/client.ts';
import type { ConnectGuard, ConnectTarget } from '../../src/system/network/guarded-agent.ts';
import { IpRange } from '../../src/system/network/ip-range.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { FakeServer, pour } from '../kube/fake-server.ts';
import { capturedLog } from '../telemetry/log-lines.ts';
import { metricValue } from '../telemetry/metric-value.ts';
import { closedAfterTest } from './closed-after-test.ts';

function machine(cluster: string): Machine {
  return {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Machine',
    metadata: { name: 'm', namespace: cluster, labels: { 'cluster.k8s.io/cluster-name': cluster } },
    spec: { clusterName: cluster },
  } as unknown as Machine;
}

function node(name: string, more: object = {}) {
  return {
    metadata: { name, uid: name, resourceVersion: '1' },
    spec: { providerID: `libvirt:///${name}` },
    ...more,
  };
}

function nodeList(items: readonly unknown[]): string {
  return JSON.stringify({ metadata: { resourceVersion: '1' }, items });
}

/** Nodes of clusters whose kubeconfigs are those given, by the name of the cluster. */
async function nodesOf(
  kubeconfigs: Readonly<Record<string, string>>,
  {
    guard = async () => undefined,
    ...options
  }: Partial<WatchedNodesOptions> & { readonly guard?: ConnectGuard } = {},
) {
  const own = await FakeServer.start(({ pathname }, response) => {
    const cluster = /secrets\/(.*)-kubeconfig$/.exec(pathname)?.[1] ?? '';
    const value = Buffer.from(kubeconfigs[cluster] ?? '').toString('base64');
    response.end(JSON.stringify({ metadata: { name: cluster }, data: { value } }));
  });
  closedAfterTest(own);
  const client = closedAfterTest(new Client(own.connection));
  const metrics = new Metrics();
  const { log, lines } = capturedLog();
  const nodes = closedAfterTest(
    new WatchedNodes({
      ...{ client, log, metrics, mayWrite: () => {} },
      connections: new WorkloadConnections({ secrets: client, log, guard }),
      ...{ patienceMs: 1_000, startMs: 3_000, readMs: 1_000 },
      ...options,
    }),
  );
  return { nodes, metrics, lines };
}

async function cluster(answer: Parameters<typeof FakeServer.start>[0]): Promise<FakeServer> {
  return closedAfterTest(await FakeServer.startSecure(answer));
}

const healthy = (url: URL, response: Parameters<Parameters<typeof FakeServer.start>[0]>[1]) => {
  if (url.searchParams.has('watch')) response.writeHead(200).flushHeaders();
  else response.end(nodeList([node('n1')]));
};

it('a server that answers the first list and not the second delays decisions only briefly, and no other cluster', async () => {
  let lists = 0;
  const silent = await cluster((_, response) => {
    lists += 1;
    if (lists === 1) response.end(nodeList([]));
  });
  const good = await cluster(healthy);
  const { nodes } = await nodesOf({ silent: silent.kubeconfig, good: good.kubeconfig });
  await expect(nodes.of(machine('silent'))).rejects.toMatchObject({ code: 'NodesUnreadable' });
  expect(await nodes.of(machine('good'))).toMatchObject([{ name: 'n1' }]);
  // Until its next try it delays no other decision.
  await expect(nodes.of(machine('silent'))).rejects.toMatchObject({ code: 'NodesUnreadable' });
  expect(lists).toBe(2);
});

it('a server that goes away between list and watch holds up no other cluster, and is watched again when it is back', async () => {
  let isAway = true;
  const server = await cluster((url, response) => {
    if (!url.searchParams.has('watch')) {
      response.end(nodeList([node(isAway ? 'before' : 'after')]));
    } else if (isAway) {
      response.destroy();
    } else {
      // Of another history than before: its etcd was restored.
      response.writeHead(410).end();
    }
  });
  const good = await cluster(healthy);
  const { nodes } = await nodesOf({ away: server.kubeconfig, good: good.kubeconfig });
  const names = async () => (await nodes.of(machine('away')))?.map(({ name }) => name);
  expect(await names()).toEqual(['before']);
  expect(await nodes.of(machine('good'))).toMatchObject([{ name: 'n1' }]);
  isAway = false;
  await expect.poll(names, { timeout: 10_000 }).toEqual(['after']);
});

it('without a cluster of its own nothing is known of machines that no kubeconfig is there for', async () => {
  const good = await cluster(healthy);
  const { nodes } = await nodesOf({ good: good.kubeconfig }, { client: undefined });
  expect(await nodes.of(machine('none'))).toBeUndefined();
  expect(await nodes.read(machine('none'))).toBeUndefined();
  expect(await nodes.of(machine('good'))).toMatchObject([{ name: 'n1' }]);
});

it('what waits for a silent server ends when all ends', async () => {
  const silent = await cluster(() => {});
  const { nodes } = await nodesOf({ silent: silent.kubeconfig }, { patienceMs: 60_000, startMs: 60_000 });
  const waiting = expect(nodes.of(machine('silent'))).rejects.toMatchObject({ code: 'NodesUnreadable' });
  await expect.poll(() => silent.requests.length).toBe(1);
  nodes.close();
  await waiting;
});

it('a decision gets its Nodes in time, or the next decision gets the error at once', async () => {
  let isSilent = false;
  const server = await cluster((url, response) => {
    if (!isSilent) healthy(url, response);
  });
  const { nodes } = await nodesOf({ c: server.kubeconfig });
  expect(await nodes.read(machine('c'))).toHaveLength(1);
  isSilent = true;
  await expect(nodes.read(machine('c'))).rejects.toMatchObject({ code: 'NodesUnreadable' });
  const asked = server.requests.length;
  await expect(nodes.read(machine('c'))).rejects.toMatchObject({ code: 'NodesUnreadable' });
  expect(server.requests).toHaveLength(asked);
  // What the watch knows is there all the same.
  expect(await nodes.of(machine('c'))).toHaveLength(1);
});

it('leaves out a Node that cannot be read, names it and counts it', async () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  const items = [
    node('n1', { status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }] } }),
    node('odd', { status: { addresses: 'none' } }),
    node('full', { status: { addresses: many(NODE_LIST_ITEMS) } }),
    node('overfull', { status: { addresses: many(NODE_LIST_ITEMS + 1) } }),
    node('nested', { extra: 'DEEP' }),
    node('twisted', { status: { addresses: 'DEEP' } }),
  ];
  const text = nodeList(items).replaceAll('"DEEP"', deep);
  const server = await cluster((url, response) => {
    if (url.searchParams.has('watch')) {
      const object = node('n2', { status: { conditions: 7 } });
      response.write(
        `${JSON.stringify({ type: 'ADDED', object })}\n${JSON.stringify({ type: 'ADDED', object: node('n3') })}\n`,
      );
    } else response.end(text);
  });
  const { nodes, metrics, lines } = await nodesOf({ c: server.kubeconfig });
  const names = async () => (await nodes.of(machine('c')))?.map(({ name }) => name);
  await expect.poll(names).toEqual(['n1', 'full', 'nested', 'n3']);
  const skipped = lines.flatMap(({ message, node: name }) => (message.startsWith('Left out') ? name : []));
  expect(skipped).toEqual(['odd', 'overfull', 'twisted', 'n2']);
  expect(metricValue(metrics.expose(), 'caplv_workload_nodes_skipped_total')).toBeGreaterThanOrEqual(4);
});

it('a server that streams without an end, or says nonsense, is named by that', async () => {
  const streams = await cluster((_, response) => pour(response, 'x'.repeat(100_000)));
  const nonsense = await cluster((_, response) => response.end('<html>secret of another server</html>'));
  const { nodes } = await nodesOf(
    { streams: streams.kubeconfig, nonsense: nonsense.kubeconfig },
    { patienceMs: 20_000, startMs: 20_000 },
  );
  await expect(nodes.of(machine('streams'))).rejects.toThrow('more than 16777216 bytes');
  await expect(nodes.of(machine('nonsense'))).rejects.toThrow(/^(?!.*secret).*no list of Nodes/);
});

it('an invalid kubeconfig is read once, however many decisions need it', async () => {
  const { nodes } = await nodesOf({ c: '}'.repeat(30_000) });
  const [first, second] = await Promise.allSettled([nodes.of(machine('c')), nodes.read(machine('c'))]);
  expect(first).toMatchObject({ reason: { code: 'InvalidConfiguration' } });
  expect((second as PromiseRejectedResult).reason).toBe((first as PromiseRejectedResult).reason);
});

it('a server where the controller may not connect is asked nothing, however often its name resolves otherwise', async () => {
  const server = await cluster(healthy);
  const asked: ConnectTarget[] = [];
  const guard: ConnectGuard = async (target) => {
    asked.push(target);
    const own = [{ range: IpRange.of('192.0.2.0/24'), what: 'for documentation' }];
    return new ServerList([], false).describeRefusal(target, own);
  };
  const named = server.kubeconfigWith({ server: `https://localhost:${server.port}` });
  // A server of two slashes is another one to who resolves a path.
  const twisted = server.kubeconfigWith({ server: `https://192.0.2.1//127.0.0.1:${server.port}` });
  const { nodes, lines } = await nodesOf({ plain: server.kubeconfig, named, twisted }, { guard });
  const refused = (host: string) => ({
    code: 'NotAllowed',
    message: expect.stringContaining(
      `may not connect to ${host}, port ${server.port}: it is a loopback address`,
    ),
    fix: expect.stringContaining('workload:'),
  });
  await expect(nodes.of(machine('plain'))).rejects.toMatchObject(refused('127.0.0.1'));
  await expect(nodes.of(machine('named'))).rejects.toMatchObject(refused('localhost'));
  await expect(nodes.of(machine('twisted'))).rejects.toThrow('may not connect to 192.0.2.1, port 443');
  expect(asked).toContainEqual({ host: '192.0.2.1', address: '192.0.2.1', port: 443 });
  expect(server.requests).toEqual([]);
  expect(lines.find(({ message }) => message === 'Refused to connect to an API server')).toMatchObject({
    secret: 'Secret plain/plain-kubeconfig',
    address: '127.0.0.1',
  });
});

it('a redirect is an answer like any other that is no success: nothing is asked where it leads', async () => {
  const elsewhere = await cluster(healthy);
  const redirecting = await cluster((_, response) =>
    response.writeHead(307, { location: `${elsewhere.url}/api/v1/nodes` }).end(),
  );
  const { nodes } = await nodesOf({ c: redirecting.kubeconfig });
  await expect(nodes.of(machine('c'))).rejects.toThrow('its API server answers with status 307');
  expect(elsewhere.requests).toEqual([]);
});

it('no text of a server is in an error or a log line, whatever it answers and whenever', async () => {
  const secret = 'text-of-another-server';
  const status = {
    kind: 'Status',
    message: secret,
    reason: secret,
    code: secret,
    details: { causes: [{ message: secret }] },
  };
  const forbidden = await cluster((_, response) =>
    response.writeHead(403, secret).end(JSON.stringify(status)),
  );
  const plain = await cluster((_, response) => response.writeHead(500).end(secret));
  const page = await cluster((_, response) => response.end(`<html>${secret}</html>`));
  let watches = 0;
  const events = [
    `{"type":"ERROR","object":${JSON.stringify(status)}}`,
    `{"type":"ERROR","object":{"code":0,"reason":"${secret}","message":"${secret}"}}`,
    secret,
    JSON.stringify({ type: 'ADDED', object: { metadata: { name: `${secret} \n` } } }),
  ];
  const watched = await cluster((url, response) => {
    if (!url.searchParams.has('watch')) {
      response.end(JSON.stringify({ metadata: { resourceVersion: secret }, items: [] }));
      return;
    }
    response.end(`${events[watches % events.length]}\n`);
    watches += 1;
  });
  const { nodes, lines } = await nodesOf(
    {
      ...{ forbidden: forbidden.kubeconfig, plain: plain.kubeconfig },
      ...{ page: page.kubeconfig, watched: watched.kubeconfig },
    },
    { patienceMs: 20_000, startMs: 20_000 },
  );
  await expect(nodes.of(machine('forbidden'))).rejects.toThrow(/ its API server answers with status 403$/);
  await expect(nodes.of(machine('plain'))).rejects.toThrow(/ its API server answers with status 500$/);
  await expect(nodes.of(machine('page'))).rejects.toThrow(/ no list of Nodes$/);
  await nodes.of(machine('watched'));
  await expect.poll(() => watches, { timeout: 10_000 }).toBeGreaterThan(events.length);
  expect(lines.map(({ message }) => message)).toContain('Watch cannot be resumed, listing again');
  expect(JSON.stringify(lines)).not.toContain(secret);
});

function many(count: number) {
  return Array.from({ length: count }, (_, i) => ({ type: 'InternalIP', address: `10.0.0.${i}` }));
}
