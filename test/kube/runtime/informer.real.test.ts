/** Verifies that an informer misses no change when connections or the API server fail. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Client } from '../../../src/kube/client/client.ts';
import { loadConnection } from '../../../src/kube/client/kubeconfig.ts';
import { Informer } from '../../../src/kube/runtime/informer.ts';
import { KubernetesStore } from '../../../src/kube/runtime/kubernetes-store.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import type { KubeLab } from '../../lab/kube/kube-lab.ts';
import { capturedLog, type LogLine } from '../../telemetry/log-lines.ts';
import { metricValue } from '../../telemetry/metric-value.ts';
import { TcpProxy } from '../tcp-proxy.ts';
import { labClient, upTestLab } from '../test-lab.ts';
import { type Widget, WidgetKind, widget } from '../widget.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

let lab: KubeLab;
/** Straight to the API server. */
let admin: Client;

let proxy: TcpProxy;
/** Through the proxy. */
let client: Client;
let metrics: Metrics;
let lines: LogLine[];
let informer: Informer<Widget>;
let stop: AbortController;
let ended: Promise<void>;
let seen: string[];

beforeAll(async () => {
  lab = await upTestLab();
  admin = await labClient(lab);
});

afterAll(async () => {
  admin?.close();
  await lab?.down();
});

beforeEach(async () => {
  await createWidgets('a', 'b');
  proxy = await TcpProxy.to(lab.url);
  metrics = new Metrics();
  client = await labClient(lab, metrics, proxy);
  const captured = capturedLog();
  lines = captured.lines;
  informer = new Informer(
    new KubernetesStore(client, { log: captured.log, metrics }),
    WidgetKind,
    captured.log,
  );
  seen = [];
  informer.addHandler(({ type, object }) => seen.push(`${type} ${object.metadata.name}`));
  stop = new AbortController();
  ended = informer.run(stop.signal);
  await informer.whenSynced();
});

afterEach(async () => {
  stop.abort();
  await ended;
  client.close();
  await proxy.close();
  for (const { metadata } of (await admin.list(WidgetKind)).items)
    await admin.delete(WidgetKind, { namespace: 'default', ...metadata });
});

async function createWidgets(...names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => admin.create(WidgetKind, widget(name))));
}

async function grow(name: string, size: number): Promise<void> {
  await admin.patch(WidgetKind, { namespace: 'default', name }, { spec: { size } });
}

const names = () =>
  informer
    .list()
    .map(({ metadata }) => metadata.name)
    .sort();
const sizeOf = (name: string) => informer.get({ namespace: 'default', name })?.spec.size;
const lists = () => metricValue(metrics.expose(), 'reflector_lists_total{resource="widgets.test.caplv.dev"}');
const watches = () =>
  metricValue(metrics.expose(), 'reflector_watches_total{resource="widgets.test.caplv.dev"}');

/** Generous: the longest delay between two tries is 12 s. */
const soon = { timeout: 30_000 };

it('knows what exists, and every change after it', async () => {
  expect(seen).toEqual(['ADDED a', 'ADDED b']);
  await createWidgets('c');
  await grow('a', 2);
  await admin.delete(WidgetKind, { namespace: 'default', name: 'b' });
  await expect.poll(() => seen.slice(2)).toEqual(['ADDED c', 'MODIFIED a', 'DELETED b']);
  expect(names()).toEqual(['a', 'c']);
});

describe('a watch that is cut', () => {
  it('each second is resumed where it was: no change is missed, and nothing is listed again', async () => {
    const cuts = 8;
    for (let cut = 1; cut <= cuts; cut += 1) {
      const healthy = watches();
      await grow('a', cut);
      await sleep(1_000); // The time between cuts is what is tested.
      proxy.cut();
      await createWidgets(`during-${cut}`);
      await expect.poll(() => watches(), soon).toBeGreaterThan(healthy);
    }
    await expect.poll(() => names().length, soon).toBe(2 + cuts);
    await expect.poll(() => sizeOf('a'), soon).toBe(cuts);
    expect(lists()).toBe(1);
    expect(seen.filter((change) => change.startsWith('ADDED during'))).toHaveLength(cuts);
  });
});

describe('an API server that goes away', () => {
  it('and comes back is watched again; what changed meanwhile arrives once', async () => {
    await lab.stopApiServer();
    await expect.poll(() => lines.filter(({ level }) => level === 'warn').length, soon).toBeGreaterThan(1);
    expect(names()).toEqual(['a', 'b']);
    await lab.startApiServer();
    await grow('a', 5);
    await admin.delete(WidgetKind, { namespace: 'default', name: 'b' });
    await expect.poll(() => [names(), sizeOf('a')], soon).toEqual([['a'], 5]);
    expect(seen.slice(2).sort()).toEqual(['DELETED b', 'MODIFIED a']);
  });

  it('is not asked in a hot loop', async () => {
    const requests = () => metricValue(metrics.expose(), 'rest_client_requests_total{method="GET",code="0"}');
    await lab.stopApiServer();
    await sleep(5_000); // The rate is what is tested.
    expect(requests()).toBeLessThan(20);
    await lab.startApiServer();
    await grow('a', 7);
    await expect.poll(() => sizeOf('a'), soon).toBe(7);
  });
});

describe('a resourceVersion that the server has forgotten (410)', () => {
  it('is answered by a new list, of which the handlers see the difference only', async () => {
    proxy.block();
    await grow('a', 3);
    await admin.delete(WidgetKind, { namespace: 'default', name: 'b' });
    await createWidgets('b', 'c'); // Another b: one that has the name but not the uid.
    await lab.compact();
    await lab.restartApiServer(); // Without its watch cache only etcd could tell, and that has forgotten.
    await createWidgets('d');
    proxy.restore();

    await expect.poll(names, soon).toEqual(['a', 'b', 'c', 'd']);
    expect(seen.slice(2).sort()).toEqual(['ADDED b', 'ADDED c', 'ADDED d', 'DELETED b', 'MODIFIED a']);
    expect(lists()).toBe(2);
    expect(lines.map(({ message }) => message)).toContain('Watch cannot be resumed, listing again');
  });
});

describe('who may not list', () => {
  it('is reported in the log, and continues once it is allowed', async () => {
    const { log, lines: denied } = capturedLog();
    const carol = new Client(await loadConnection({ kubeconfig: await lab.userKubeconfig('carol') }));
    const forbidden = new Informer(
      new KubernetesStore(carol, { log, metrics: new Metrics() }),
      WidgetKind,
      log,
    );
    const running = forbidden.run(stop.signal);
    await expect
      .poll(() => denied[0])
      .toMatchObject({
        level: 'warn',
        message: 'List or watch failed, trying again',
        resource: 'widgets.test.caplv.dev',
        error: expect.stringContaining('User "carol" cannot list resource "widgets"'),
        errorFix: expect.stringContaining('ClusterRole'),
      });
    expect(forbidden.hasSynced).toBe(false);

    await admin.raw('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'carol' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'carol' }],
    });
    await forbidden.whenSynced();
    expect(forbidden.list()).toHaveLength(2);
    stop.abort();
    await running;
    carol.close();
  });
});

it('tells of everything again from time to time, without asking the server', async () => {
  const { log } = capturedLog();
  const store = new KubernetesStore(client, { log, metrics });
  const resyncing = new Informer(store, WidgetKind, log, { resyncMs: 50 });
  const again = Promise.withResolvers<void>();
  resyncing.addHandler(({ type, object }) => {
    if (type === 'RESYNC' && object.metadata.name === 'b') again.resolve();
  });
  const running = resyncing.run(stop.signal);
  await again.promise;
  expect(lists()).toBe(2);
  stop.abort();
  await running;
});
