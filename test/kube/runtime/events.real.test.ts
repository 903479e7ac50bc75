/** Verifies that Kubernetes events are counted, ordered and readable at a real API server. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { keyOf } from '../../../src/apimachinery/object-key.ts';
import type { Client } from '../../../src/kube/client/client.ts';
import { EventKind, EventRecorder, type KubeEvent } from '../../../src/kube/runtime/events.ts';
import { KubernetesStore } from '../../../src/kube/runtime/kubernetes-store.ts';
import type { Logger } from '../../../src/telemetry/logger.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import type { KubeLab } from '../../lab/kube/kube-lab.ts';
import { capturedLog, type LogLine } from '../../telemetry/log-lines.ts';
import { labClient, upTestLab } from '../test-lab.ts';
import { type Widget, WidgetKind, widget } from '../widget.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let lab: KubeLab;
let client: Client;
let log: Logger;
let lines: LogLine[];

beforeAll(async () => {
  lab = await upTestLab();
  client = await labClient(lab);
  ({ log, lines } = capturedLog());
});

afterAll(async () => {
  client?.close();
  await lab?.down();
});

function newRecorder(): EventRecorder {
  const store = new KubernetesStore(client, { log, metrics: new Metrics() });
  return new EventRecorder({ store, controller: 'test.caplv.dev/painter', log });
}

const created = (name: string): Promise<Widget> => client.create(WidgetKind, widget(name));

async function eventsOf({ metadata }: Widget): Promise<KubeEvent[]> {
  const { items } = await client.list(EventKind, { namespace: 'default' });
  return items.filter(({ involvedObject }) => involvedObject.uid === metadata.uid);
}

function at(now: number, work: () => void): void {
  vi.useFakeTimers({ toFake: ['Date'], now });
  try {
    work();
  } finally {
    vi.useRealTimers();
  }
}

/** When what was recorded is forgotten. */
const later = (work: () => void) => at(Date.now() + 3_600_000, work);
/** By a process that has recorded before the object was made. */
const earlier = (work: () => void) => at(Date.now() - 5_000, work);

async function describe(name: string): Promise<string> {
  const args = ['--kubeconfig', lab.kubeconfig, 'describe', 'widget', name];
  return (await promisify(execFile)(lab.kubectl, args)).stdout;
}

const painted = { type: 'Normal', reason: 'Painted', note: 'Painted it red in 3 s' } as const;
const written = { type: 'Normal', reason: 'Painted', message: 'Painted it red in 3 s' };

it('contains no terminal command for its readers', async () => {
  const object = await created('hostile');
  const recorder = newRecorder();
  recorder.record(object, { ...painted, note: 'libvirt said \u001b]0;owned\u0007 and \u202egpj' });
  await recorder.flush();
  const message = 'libvirt said \\u001b]0;owned\\u0007 and \\u202egpj';
  expect(await eventsOf(object)).toMatchObject([{ message }]);
});

it('is counted up when it happens again, also after a restart of the controller', async () => {
  const object = await created('counted');
  const recorder = newRecorder();
  recorder.record(object, painted);
  await recorder.flush();
  expect(await eventsOf(object)).toMatchObject([
    { ...written, action: 'Painted', reportingComponent: 'test.caplv.dev/painter' },
  ]);
  expect((await eventsOf(object))[0]?.series).toBeUndefined();

  for (let times = 2; times <= 5; times += 1) recorder.record(object, painted);
  await recorder.flush();
  expect(await eventsOf(object)).toMatchObject([{ series: { count: 5 } }]);

  const restarted = newRecorder();
  later(() => restarted.record(object, painted));
  await restarted.flush();
  expect(await eventsOf(object)).toMatchObject([{ series: { count: 6 } }]);
});

it('is counted up when it happens again long after', async () => {
  const object = await created('forgotten');
  const recorder = newRecorder();
  recorder.record(object, painted);
  await recorder.flush();
  later(() => {
    recorder.record(object, { ...painted, reason: 'Other' });
    recorder.record(object, painted);
  });
  await recorder.flush();
  expect(await eventsOf(object)).toMatchObject([
    { reason: 'Painted', series: { count: 2 } },
    { reason: 'Other' },
  ]);
});

it('is counted up by the pod that takes over, whose name is another', async () => {
  const object = await created('taken-over');
  const recorder = newRecorder();
  recorder.record(object, painted);
  await recorder.flush();
  const [event] = await eventsOf(object);
  if (!event) throw new Error('there is no event');
  await client.delete(EventKind, keyOf(event));
  const { name, namespace, labels } = event.metadata;
  const before = { ...event, metadata: { name, namespace, labels }, reportingInstance: 'pod-that-is-gone' };
  await client.create(EventKind, before as KubeEvent);

  const next = newRecorder();
  later(() => {
    for (let times = 2; times <= 3; times += 1) next.record(object, painted);
  });
  await next.flush();
  next.record(object, painted);
  await next.flush();
  expect(await eventsOf(object)).toMatchObject([
    { reportingInstance: 'pod-that-is-gone', series: { count: 4 } },
  ]);
});

it('costs one request when it is new', async () => {
  const metrics = new Metrics();
  const counted = await labClient(lab, metrics);
  const store = new KubernetesStore(counted, { log, metrics });
  const recorder = new EventRecorder({ store, controller: 'test.caplv.dev/painter', log });
  const object = await created('new');
  earlier(() => {
    recorder.record(object, painted);
    recorder.record(object, { ...painted, note: 'Painted it blue in 2 s' });
  });
  await recorder.flush();
  counted.close();
  expect(await eventsOf(object)).toHaveLength(2);
  const requests = metrics.expose().match(/^rest_client_requests_total.*$/gm);
  expect(requests).toEqual(['rest_client_requests_total{method="POST",code="201"} 2']);
});

it('is what kubectl describe shows', async () => {
  const object = await created('described');
  const recorder = newRecorder();
  for (let times = 1; times <= 3; times += 1) recorder.record(object, painted);
  await recorder.flush();
  expect(await describe('described')).toMatch(
    /Normal +Painted +.*\(x3 over .*\) +test\.caplv\.dev\/painter.* +Painted it red in 3 s/,
  );
});

it('stands in the order in which things happened, in kubectl describe, with its age', async () => {
  const object = await created('ordered');
  const recorder = newRecorder();
  const reasons = Array.from({ length: 20 }, (_, index) => `Step${index + 1}`);
  const now = Date.now();
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    for (const [index, reason] of reasons.entries()) {
      vi.setSystemTime(now - (30 - index) * 60_000);
      recorder.record(object, { ...painted, reason });
    }
    vi.setSystemTime(now);
    recorder.record(object, { ...painted, reason: 'Step1' });
  } finally {
    vi.useRealTimers();
  }
  await recorder.flush();
  const told = (await describe('ordered')).matchAll(/^ +Normal +(Step\d+) +(\d+)\D.*$/gm);
  const rows = [...told].map(([row, reason = '', age]) => ({ row, reason, age: Number(age) }));
  expect(rows.map(({ reason }) => reason)).toEqual([...reasons.slice(1), 'Step1']);
  expect(rows.slice(0, 19).map(({ age }) => age)).toEqual(reasons.slice(1).map((_, index) => 29 - index));
  expect(rows.at(-1)?.row).toMatch(/\(x2 over 30m\)/);
});

it('stands in that order also where all happened within one second', async () => {
  const object = await created('quick');
  const recorder = newRecorder();
  const reasons = Array.from({ length: 10 }, (_, index) => `Step${index + 1}`);
  at(Date.now(), () => {
    for (const reason of reasons) recorder.record(object, { ...painted, reason });
  });
  await recorder.flush();
  const told = (await describe('quick')).matchAll(/^ +Normal +(Step\d+) /gm);
  expect([...told].map(([, reason]) => reason)).toEqual(reasons);
});

it('stands for many that differ only in what they say', async () => {
  const object = await created('similar');
  const recorder = newRecorder();
  for (let attempt = 1; attempt <= 40; attempt += 1) {
    recorder.record(object, { type: 'Warning', reason: 'PaintFailed', note: `Attempt ${attempt} failed` });
  }
  await recorder.flush();
  const events = await eventsOf(object);
  expect(events).toHaveLength(11);
  const combined = events.find(({ message }) => message.startsWith('(combined from similar events)'));
  expect(combined?.series?.count).toBe(30);
});

it('is dropped when there are too many about one object, not about others', async () => {
  const [noisy, quiet] = [await created('noisy'), await created('quiet')];
  const recorder = newRecorder();
  for (let index = 0; index < 100; index += 1)
    recorder.record(noisy, { ...painted, reason: `Reason${index}` });
  recorder.record(quiet, painted);
  await recorder.flush();
  expect(await eventsOf(noisy)).toHaveLength(25);
  expect(await eventsOf(quiet)).toHaveLength(1);
});

it('waits for an API server that is away', async () => {
  const object = await created('outage');
  const recorder = newRecorder();
  await lab.stopApiServer();
  recorder.record(object, painted);
  await recorder.flush();
  expect(lines.at(-1)).toMatchObject({ message: 'Event was not written', reason: 'Painted' });
  await lab.startApiServer();
  await recorder.flush();
  expect(await eventsOf(object)).toMatchObject([written]);
});

it('never stops the controller: a refused event is logged and dropped', async () => {
  const recorder = newRecorder();
  const nowhere = { ...widget('lost'), metadata: { name: 'lost', namespace: 'no-such-namespace' } };
  recorder.record(nowhere, painted);
  await recorder.flush();
  expect(lines.at(-1)).toMatchObject({
    level: 'warn',
    message: 'Event was not written',
    errorCode: 'NotFound',
  });
  const before = lines.length;
  await recorder.flush();
  expect(lines).toHaveLength(before);
});
