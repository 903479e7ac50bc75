/** Verifies the order, delays and back-off of the work queue. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WorkQueue } from '../../../src/kube/runtime/queue.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { metricValue } from '../../telemetry/metric-value.ts';

let metrics: Metrics;
let queue: WorkQueue;

beforeEach(() => {
  vi.useFakeTimers();
  metrics = new Metrics();
  queue = new WorkQueue({ name: 'test', metrics, backoff: { baseMs: 100, maxMs: 10_000 } });
});

afterEach(() => vi.useRealTimers());

describe('what is handed out', () => {
  it('keeps the order, and holds a key once: a burst of changes is one reconcile', async () => {
    for (const item of ['a', 'b', 'a', 'a']) queue.add(item);
    expect(queue.length).toBe(2);
    expect([await queue.get(), await queue.get()]).toEqual(['a', 'b']);
  });

  it('does not give a key to two workers: two terraform runs of one machine would fight', async () => {
    queue.add('a');
    await queue.get();
    const second = queue.get();
    queue.add('a');
    queue.add('b');
    expect(await second).toBe('b');
    expect(queue.length).toBe(0);
  });

  it('returns an item that was added during its work: no change is missed', async () => {
    queue.add('a');
    await queue.get();
    queue.add('a');
    queue.add('a');
    expect(queue.length).toBe(0);
    queue.done('a');
    expect(queue.length).toBe(1);
    expect(await queue.get()).toBe('a');
    queue.done('a');
    expect(queue.length).toBe(0);
  });

  it('lets flows take turns: a thousand machines of one set do not hold up the only one of another', async () => {
    const fair = new WorkQueue({
      name: 'fair',
      metrics: new Metrics(),
      flowOf: (item) => ({ group: '', name: item.charAt(0) }),
    });
    for (const item of ['a1', 'a2', 'a3', 'b1']) fair.add(item);
    expect([await fair.get(), await fair.get(), await fair.get()]).toEqual(['a1', 'b1', 'a2']);
  });

  it('serves workers that wait', async () => {
    const items = Promise.all([queue.get(), queue.get()]);
    queue.add('a');
    queue.add('b');
    expect(await items).toEqual(['a', 'b']);
  });
});

describe('later', () => {
  it('adds after the delay', () => {
    queue.addAfter('a', 1_000);
    vi.advanceTimersByTime(999);
    expect(queue.length).toBe(0);
    vi.advanceTimersByTime(1);
    expect(queue.length).toBe(1);
  });

  it('lets the sooner of two times win, whichever was asked for first', () => {
    queue.addAfter('a', 1_000);
    queue.addAfter('a', 60_000);
    queue.addAfter('b', 60_000);
    queue.addAfter('b', 1_000);
    vi.advanceTimersByTime(1_000);
    expect(queue.length).toBe(2);
    vi.advanceTimersByTime(100_000);
    expect(queue.length).toBe(2);
  });

  it('forgets delayed adds of an object that is gone, or settled', () => {
    queue.addAfter('a', 1_000);
    queue.addAfter('b', 1_000);
    queue.settle('a');
    vi.advanceTimersByTime(1_000);
    expect(queue.length).toBe(1);
    queue.addAfter('a', 1_000);
    vi.advanceTimersByTime(1_000);
    expect(queue.length).toBe(2);
  });

  it('takes delays beyond what a timer can hold: 30 days must not mean at once', () => {
    queue.addAfter('a', 30 * 86_400_000);
    vi.advanceTimersByTime(60_000);
    expect(queue.length).toBe(0);
  });

  it('waits longer after each failure, within limits, and starts over after a success', () => {
    const delays = Array.from({ length: 12 }, () => queue.addRateLimited('a'));
    for (const [index, delay] of delays.entries()) {
      const exact = Math.min(10_000, 100 * 2 ** index);
      expect(delay).toBeGreaterThanOrEqual(exact * 0.8);
      expect(delay).toBeLessThanOrEqual(exact * 1.2);
    }
    queue.forget('a');
    expect(queue.addRateLimited('a')).toBeLessThanOrEqual(120);
  });

  it('never comes before the time that the error asked for', () => {
    expect(queue.addRateLimited('a', 5_000)).toBe(5_000);
  });

  it('limits the failures of all keys together: a broken host with 500 machines is no storm', () => {
    const limited = new WorkQueue({ name: 'limited', metrics, rateLimit: { perSecond: 10, burst: 100 } });
    const delays = Array.from({ length: 500 }, (_, index) => limited.addRateLimited(`machine-${index}`));
    expect(Math.max(...delays)).toBeGreaterThan(39_000);
  });
});

describe('what was observed of an item that failed', () => {
  it('waits for the end of its back-off, since its own work causes events, and it would run each second for ever', () => {
    const delayMs = queue.addRateLimited('a', 5_000);
    queue.notify('a');
    vi.advanceTimersByTime(delayMs - 1);
    expect(queue.length).toBe(0);
    vi.advanceTimersByTime(1);
    expect(queue.length).toBe(1);
  });

  it('does not pass it either when it came while the item was worked on', async () => {
    queue.add('a');
    await queue.get();
    queue.notify('a');
    queue.addRateLimited('a', 5_000);
    queue.done('a');
    expect(queue.length).toBe(0);
    vi.advanceTimersByTime(5_000);
    expect(queue.length).toBe(1);
  });

  it('brings back what needs a person, after a longer time for each failure', async () => {
    const waits: number[] = [];
    queue.add('a');
    for (let failures = 0; failures < 6; failures += 1) {
      await queue.get();
      queue.notify('a');
      queue.backOff('a');
      queue.done('a');
      const before = performance.now();
      expect(queue.length).toBe(0);
      vi.advanceTimersToNextTimer();
      waits.push(performance.now() - before);
    }
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(waits.at(-1)).toBeGreaterThan(2_000);
  });

  it('counts at once for one that did not fail, and after one that succeeded again', async () => {
    queue.notify('a');
    expect(await queue.get()).toBe('a');
    queue.addRateLimited('a', 5_000);
    queue.settle('a');
    queue.notify('a');
    queue.done('a');
    expect(queue.length).toBe(1);
  });

  it('ends with a change of the desired state: a corrected manifest does not wait for five minutes', () => {
    for (let failures = 0; failures < 8; failures += 1) queue.addRateLimited('a');
    queue.add('a');
    expect(queue.length).toBe(1);
    expect(queue.addRateLimited('a')).toBeLessThanOrEqual(120);
  });
});

describe('the end', () => {
  it('lets workers go and hands out nothing more', async () => {
    const waiting = queue.get();
    queue.stop();
    expect(await waiting).toBeUndefined();
    queue.add('a');
    queue.addAfter('b', 10);
    vi.advanceTimersByTime(10);
    expect(await queue.get()).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('counts', async () => {
  queue.add('a');
  queue.add('b');
  await queue.get();
  queue.addRateLimited('c');
  const text = metrics.expose();
  expect(metricValue(text, 'workqueue_depth{name="test"}')).toBe(1);
  expect(metricValue(text, 'workqueue_running{name="test"}')).toBe(1);
  expect(metricValue(text, 'workqueue_adds_total{name="test"}')).toBe(2);
  expect(metricValue(text, 'workqueue_retries_total{name="test"}')).toBe(1);
  expect(metricValue(text, 'workqueue_queue_duration_seconds_count{name="test"}')).toBe(1);
});

it('hands out items that may start, and asks again when a worker is done or the answer has changed', async () => {
  let isSilent = true;
  const queue = new WorkQueue({
    name: 'silent',
    metrics: new Metrics(),
    flowOf: (item) => ({ group: item.charAt(0), name: '' }),
    mayStart: (item, running) =>
      !isSilent || !item.startsWith('s') || running.filter((one) => one.startsWith('s')).length < 2,
  });
  for (const item of ['s1', 's2', 's3', 's4', 'x1']) queue.add(item);
  expect([await queue.get(), await queue.get(), await queue.get()]).toEqual(['s1', 'x1', 's2']);
  const next = queue.get();
  const last = queue.get();
  queue.done('s1');
  expect(await next).toBe('s3');
  isSilent = false;
  queue.wake();
  expect(await last).toBe('s4');
  queue.stop();
});
