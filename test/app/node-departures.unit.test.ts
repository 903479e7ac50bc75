/** Verifies that a Node is drained and deleted before its machine, within its time limit. */

import { expect, it } from 'vitest';
import type { Machine } from '../../src/api/kinds/machine.ts';
import { EXCLUDE_NODE_DRAINING_ANNOTATION } from '../../src/api/schema/group.ts';
import { WorkloadConnections } from '../../src/app/workload-connection.ts';
import { WatchedNodes } from '../../src/app/workload-nodes.ts';
import { NodeDepartures, type Step } from '../../src/controllers/node/departures.ts';
import { providerID } from '../../src/intent/names.ts';
import { Client } from '../../src/kube/client/client.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { FakeServer } from '../kube/fake-server.ts';
import { capturedLog } from '../telemetry/log-lines.ts';
import { closedAfterTest } from './closed-after-test.ts';

const UID = '1b9d6bcd-0000-4000-8000-000000000001';
function machine(spec: object = {}, metadata: object = {}): Machine {
  return {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Machine',
    metadata: { name: 'm', namespace: 'default', uid: UID, ...metadata },
    spec: { clusterName: 'c', providerID: providerID({ uid: UID }), ...spec },
    status: { nodeRef: { name: 'n1' } },
  } as unknown as Machine;
}

interface Workload {
  readonly nodes: object[];
  readonly pods: { metadata: { name: string }; [field: string]: unknown }[];
  /** What an eviction is answered with, by the name of the pod; default: 201, and the pod is gone. */
  readonly evictions: Record<string, number>;
  /** Answers in place of what is here, by the beginning of `METHOD /path`. */
  readonly instead: Record<string, number | 'nothing'>;
  /** `METHOD /path` of each write so far, with what was sent. */
  readonly writes: string[];
}

function node(name: string, uid = UID, more: object = {}) {
  return {
    metadata: { name, uid: `uid-of-${name}`, resourceVersion: '1' },
    spec: { providerID: providerID({ uid }) },
    status: { conditions: [{ type: 'Ready', status: 'True' }], ...more },
  };
}

function pod(name: string, metadata: object = {}, phase = 'Running') {
  return { metadata: { name, namespace: 'apps', uid: `uid-of-${name}`, ...metadata }, status: { phase } };
}

/** An API server with those Nodes and pods, and what takes machines of it away. */
async function departuresFrom(given: Partial<Workload>, cluster?: object) {
  const workload: Workload = {
    nodes: [node('n1')],
    pods: [],
    evictions: {},
    instead: {},
    writes: [],
    ...given,
  };
  const server = closedAfterTest(
    await FakeServer.startSecure(async (url, response, request) => {
      const called = `${request.method} ${url.pathname}`;
      let body = '';
      for await (const chunk of request) body += chunk;
      if (request.method !== 'GET') workload.writes.push(`${called} ${body}`);
      const [, instead] = Object.entries(workload.instead).find(([start]) => called.startsWith(start)) ?? [];
      if (instead === 'nothing') return;
      const evicted = /pods\/(.*)\/eviction$/.exec(url.pathname)?.[1];
      const code = instead ?? workload.evictions[evicted ?? ''] ?? 200;
      if (code === 200 && evicted)
        workload.pods.splice(
          workload.pods.findIndex((one) => one.metadata.name === evicted),
          1,
        );
      response.writeHead(code);
      if (url.searchParams.has('watch')) return response.flushHeaders();
      const items = url.pathname.endsWith('/pods') ? workload.pods : workload.nodes;
      response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items }));
    }),
  );
  const own = closedAfterTest(
    await FakeServer.start((_, response) => {
      const value = Buffer.from(server.kubeconfig).toString('base64');
      response.end(JSON.stringify({ metadata: { name: 'c' }, data: { value } }));
    }),
  );
  const { log, lines } = capturedLog();
  const client = closedAfterTest(new Client(own.connection));
  const nodes = closedAfterTest(
    new WatchedNodes({
      ...{ client, log, metrics: new Metrics(), mayWrite: () => {} },
      connections: new WorkloadConnections({ secrets: client, log, guard: async () => undefined }),
      ...{ patienceMs: 1_000, startMs: 3_000, readMs: 1_000 },
    }),
  );
  let wake = Promise.withResolvers<void>();
  const departures = new NodeDepartures({
    store: { get: async () => cluster as never },
    ...{ nodes, log },
    wake: () => wake.resolve(),
  });
  /** Has one try made, and returns what is known after it. */
  const after = async (call: () => Step): Promise<Step> => {
    wake = Promise.withResolvers();
    call();
    await wake.promise;
    return call();
  };
  return { workload, departures, after, lines };
}

it('pods leave before their Node goes, but for those that nobody can have leave', async () => {
  const daemon = { ownerReferences: [{ kind: 'DaemonSet', controller: true }] };
  const { workload, departures, after } = await departuresFrom({
    pods: [
      pod('web', { ownerReferences: [{ kind: 'ReplicaSet', controller: true }] }),
      pod('proxy', daemon),
      pod('etcd', { annotations: { 'kubernetes.io/config.mirror': 'x' } }),
      pod('job', {}, 'Succeeded'),
      pod('gone'),
    ],
    evictions: { gone: 404 },
  });
  const evicting = await after(() => departures.drain(machine(), Date.now()));
  expect(evicting).toMatchObject({ state: 'waiting', reason: 'Draining' });
  expect(evicting.message).toBe('1 pods are left on Node n1: apps/web (ending)');
  expect(workload.writes).toEqual([
    'PATCH /api/v1/nodes/n1 {"spec":{"unschedulable":true}}',
    expect.stringContaining('POST /api/v1/namespaces/apps/pods/web/eviction'),
    expect.stringContaining('POST /api/v1/namespaces/apps/pods/gone/eviction'),
  ]);
  expect(workload.writes[1]).toContain('"preconditions":{"uid":"uid-of-web"}');
});

it('a Node without such pods is drained, and its deletion names that very Node', async () => {
  const { workload, departures, after } = await departuresFrom({});
  expect(await after(() => departures.drain(machine(), Date.now()))).toMatchObject({
    ...{ state: 'done', reason: 'Drained', message: 'Node n1' },
  });
  expect(await after(() => departures.remove(machine(), Date.now()))).toMatchObject({
    ...{ state: 'done', reason: 'NodeDeleted' },
  });
  expect(workload.writes.at(-1)).toMatch(/^DELETE \/api\/v1\/nodes\/n1 .*"uid":"uid-of-n1"/);
});

it('a PodDisruptionBudget holds a machine up until its time is over, and the message names the pod', async () => {
  const { departures, after } = await departuresFrom({ pods: [pod('db')], evictions: { db: 429 } });
  const one = machine({ nodeDrainTimeoutSeconds: 60 });
  const since = Date.now();
  const held = await after(() => departures.drain(one, since));
  expect(held).toMatchObject({ state: 'waiting' });
  expect(held.message).toContain('apps/db (its eviction is refused, by a PodDisruptionBudget for one)');
  const expired = departures.drain(one, since - 60_000);
  expect(expired).toMatchObject({ state: 'skipped', reason: 'DrainTimedOut' });
  expect(expired.message).toMatch(/^after 60s: 1 pods are left on Node n1: apps\/db/);
});

it('a pod that was asked to end is not waited for where no kubelet answers', async () => {
  const { departures, after } = await departuresFrom({
    nodes: [node('n1', UID, { conditions: [{ type: 'Ready', status: 'Unknown' }] })],
    pods: [pod('web', { deletionTimestamp: '2026-01-01T00:00:00Z' })],
  });
  expect(await after(() => departures.drain(machine(), Date.now()))).toMatchObject({ reason: 'Drained' });
});

it.each<[string, Partial<Workload>, object | undefined, Partial<Step>]>([
  [
    'the kubeconfig lacks the right',
    { instead: { 'GET /api/v1/pods': 403 } },
    {},
    { reason: 'DrainSkipped' },
  ],
  ['its Cluster goes', {}, { metadata: { deletionTimestamp: 'x' } }, { reason: 'DrainSkipped' }],
  ['the Node is gone', { nodes: [] }, undefined, { reason: 'NodeGone' }],
  ['two Nodes claim to be it', { nodes: [node('n1'), node('n2')] }, undefined, { reason: 'NodeGone' }],
  [
    'the Node is of another machine',
    { nodes: [node('n1', `2${UID.slice(1)}`)] },
    undefined,
    { reason: 'NodeGone' },
  ],
])('nothing is evicted, and nobody waits, when %s', async (_, given, cluster, expected) => {
  const { workload, departures, after } = await departuresFrom({ pods: [pod('web')], ...given }, cluster);
  const step = await after(() => departures.drain(machine(), Date.now()));
  expect(step).toMatchObject(expected);
  expect(step.state).not.toBe('waiting');
  expect(workload.writes.filter((one) => one.includes('eviction'))).toEqual([]);
});

it('a spec that names the providerID of another machine has nothing done to its Node', async () => {
  const other = providerID({ uid: `2${UID.slice(1)}` });
  const { workload, departures, after } = await departuresFrom({ nodes: [node('n1', `2${UID.slice(1)}`)] });
  const thief = machine({ providerID: other });
  await after(() => departures.drain(thief, Date.now()));
  await after(() => departures.remove(thief, Date.now()));
  expect(workload.writes).toEqual([]);
});

it('the annotation has a machine go without asking its pods', async () => {
  const { workload, departures, after } = await departuresFrom({ pods: [pod('web')] });
  const excluded = machine({}, { annotations: { [EXCLUDE_NODE_DRAINING_ANNOTATION]: '' } });
  const step = await after(() => departures.drain(excluded, Date.now()));
  expect(step).toMatchObject({ state: 'skipped', reason: 'DrainSkipped' });
  expect(workload.writes).toEqual([]);
});

it('an API server that answers nothing holds no worker, and no deletion for ever', async () => {
  const { departures, after, lines } = await departuresFrom({
    pods: [pod('web')],
    instead: { 'GET /api/v1/pods': 'nothing', 'DELETE ': 'nothing' },
  });
  const one = machine();
  const since = Date.now();
  // At once, although the server does not answer.
  expect(departures.drain(one, since)).toMatchObject({
    state: 'waiting',
    message: 'its pods are being evicted',
  });
  const silent = await after(() => departures.drain(machine({}, { uid: UID }), since));
  expect(silent).toMatchObject({ state: 'waiting' });
  expect(silent.message).toBe(
    'the Nodes of the cluster of Secret default/c-kubeconfig cannot be read: its API server does not answer in time',
  );
  expect(departures.drain(one, since - 300_000)).toMatchObject({ state: 'skipped', reason: 'DrainTimedOut' });
  expect(departures.remove(one, since - 30_000)).toMatchObject({
    state: 'skipped',
    reason: 'NodeNotDeleted',
  });
  expect(lines.filter(({ message }) => message === 'Work on a Node failed')).toEqual([]);
});

it('no name or text that a server makes up is in what is said of a drain', async () => {
  const secret = 'text-of-another-server \u001b[31m';
  const { departures, after } = await departuresFrom({
    pods: [
      pod(secret),
      pod('web', { namespace: secret }),
      pod('b', { uid: secret }),
      { metadata: { name: 'x' } },
    ],
  });
  const step = await after(() => departures.drain(machine(), Date.now()));
  expect(step).toMatchObject({ state: 'done', reason: 'Drained' });
  expect(JSON.stringify(step)).not.toContain('another-server');
});
