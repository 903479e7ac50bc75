/** Verifies retries, concurrency and shutdown of a controller. */

import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { TerminalError, TransientError } from '../../../src/errors.ts';
import { ApiError } from '../../../src/kube/client/api-error.ts';
import { Controller, type Reconcile } from '../../../src/kube/runtime/controller.ts';
import { currentFlow } from '../../../src/system/current-flow.ts';
import type { Flow } from '../../../src/system/fair-queue.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { capturedLog } from '../../telemetry/log-lines.ts';
import { metricValue } from '../../telemetry/metric-value.ts';

const KEY = { namespace: 'default', name: 'a' };

function start(reconcile: Reconcile, concurrency = 1, stuckAfterMs = 60_000) {
  const stop = new AbortController();
  const metrics = new Metrics();
  const { log, lines } = capturedLog();
  const backoff = { baseMs: 1, maxMs: 20 };
  const controller = new Controller({
    name: 'test',
    reconcile,
    concurrency,
    log,
    metrics,
    backoff,
    stuckAfterMs,
  });
  const ended = controller.run(stop.signal);
  const results = (result: string) =>
    metricValue(metrics.expose(), `controller_reconcile_total{controller="test",result="${result}"}`);
  return { controller, stop, ended, lines, results };
}

it('a reconcile runs in the flow of its object, so that tenants take turns at slots, too', async () => {
  const flow = Promise.withResolvers<Flow>();
  const { log } = capturedLog();
  const controller = new Controller({
    ...{ name: 'test', log, metrics: new Metrics() },
    flowOf: ({ namespace, name }) => ({ group: namespace, name }),
    reconcile: async () => {
      await setImmediate();
      flow.resolve(currentFlow());
      return undefined;
    },
  });
  const stop = new AbortController();
  const ended = controller.run(stop.signal);
  controller.enqueue(KEY);
  expect(await flow.promise).toEqual({ group: 'default', name: 'a' });
  expect(currentFlow()).toEqual({ group: '', name: '' });
  stop.abort();
  await ended;
});

/** Fails with these, one after the other, then succeeds and resolves `succeeded`. */
function failing(...errors: readonly unknown[]) {
  const succeeded = Promise.withResolvers<void>();
  const pending = [...errors];
  const reconcile: Reconcile = async () => {
    if (pending.length > 0) throw pending.shift();
    succeeded.resolve();
    return undefined;
  };
  return { reconcile, succeeded: succeeded.promise };
}

describe('what becomes of an object', () => {
  it('tries again after errors that may pass, and after bugs', async () => {
    const { reconcile, succeeded } = failing(
      new TransientError({ code: 'LibvirtUnreachable', message: 'down', retryAfterMs: 1 }),
      new ApiError({ code: 503, reason: 'ServiceUnavailable', message: 'starting' }),
      new TypeError('x is undefined'),
    );
    const { controller, stop, ended, lines, results } = start(reconcile);
    controller.enqueue(KEY);
    await succeeded;
    stop.abort();
    await ended;
    expect(results('error')).toBe(3);
    expect(results('success')).toBe(1);
    expect(lines.map(({ level, message }) => `${level} ${message}`)).toMatchInlineSnapshot(`
      [
        "warn Reconcile failed, trying again",
        "warn Reconcile failed, trying again",
        "error Reconcile failed unexpectedly, trying again",
        "debug Reconciled",
      ]
    `);
    expect(lines[0]).toMatchObject({
      controller: 'test',
      object: 'default/a',
      error: 'down',
      errorCode: 'LibvirtUnreachable',
    });
    expect(lines[2]?.['stack']).toContain('controller.unit.test.ts');
  });

  it('does not retry an object that needs a person, until it changes: no hot retry of a bad manifest', async () => {
    const { reconcile, succeeded } = failing(
      new TerminalError({ code: 'InvalidConfiguration', message: 'vcpu 0', fix: 'say 1' }),
    );
    const { controller, stop, ended, lines, results } = start(reconcile);
    controller.enqueue(KEY);
    controller.enqueue({ namespace: 'default', name: 'b' });
    await succeeded; // That of b: a was not put back.
    expect(results('terminal_error')).toBe(1);
    expect(lines[0]).toMatchObject({
      level: 'error',
      object: 'default/a',
      errorCode: 'InvalidConfiguration',
      errorFix: 'say 1',
    });

    controller.enqueue(KEY);
    await expect.poll(() => results('success')).toBe(2);
    stop.abort();
    await ended;
  });

  it('is not tried again for what its own work caused: a guest that dies at start is no loop', async () => {
    const { controller, stop, ended, results } = start(async (key) => {
      // What the work itself did to the host is seen before it ends.
      controller.notify(key);
      throw new TransientError({ code: 'TerraformError', message: 'QEMU ended', retryAfterMs: 60_000 });
    });
    controller.enqueue(KEY);
    await expect.poll(() => results('error')).toBe(1);
    for (let events = 0; events < 5; events += 1) controller.notify(KEY);
    controller.enqueue({ namespace: 'default', name: 'b' });
    await expect.poll(() => results('error')).toBe(2);
    stop.abort();
    await ended;
    expect(results('error')).toBe(2);
  });

  it('comes again when the reconcile asks for it', async () => {
    const twice = Promise.withResolvers<void>();
    let calls = 0;
    const { controller, stop, ended, results } = start(async () => {
      calls += 1;
      if (calls === 2) twice.resolve();
      return calls === 1 ? { requeueAfterMs: 5 } : undefined;
    });
    controller.enqueue(KEY);
    await twice.promise;
    stop.abort();
    await ended;
    expect(results('requeue_after')).toBe(1);
  });
});

describe('side by side', () => {
  it('works on many objects at once, never on one twice', async () => {
    const gate = Promise.withResolvers<void>();
    const active: string[] = [];
    let most = 0;
    const { controller, stop, ended, results } = start(async ({ name }) => {
      expect(active).not.toContain(name);
      active.push(name);
      most = Math.max(most, active.length);
      if (active.length === 3) gate.resolve();
      await gate.promise;
      active.splice(active.indexOf(name), 1);
      return undefined;
    }, 3);
    for (const name of ['a', 'b', 'c', 'a', 'd']) controller.enqueue({ namespace: 'default', name });
    await gate.promise;
    controller.enqueue(KEY);
    await expect.poll(() => results('success')).toBeGreaterThanOrEqual(4);
    stop.abort();
    await ended;
    expect(most).toBe(3);
  });
});

describe('the end', () => {
  it('lets the running reconcile end, starts no other, and tells it that time is up', async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const names: string[] = [];
    let told = false;
    const { controller, stop, ended } = start(async ({ name }, { signal }) => {
      names.push(name);
      started.resolve();
      await finish.promise;
      told = signal.aborted;
      return undefined;
    });
    controller.enqueue(KEY);
    controller.enqueue({ namespace: 'default', name: 'b' });
    await started.promise;
    stop.abort();
    expect(controller.running).toEqual(['default/a']);
    finish.resolve();
    await ended;
    expect(names).toEqual(['a']);
    expect(told).toBe(true);
  });
});

describe('the liveness check', () => {
  it('names the object whose reconcile takes longer than any should, for as long as it does', async () => {
    const finish = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const { controller, stop, ended } = start(
      async () => {
        started.resolve();
        await finish.promise;
        return undefined;
      },
      1,
      1,
    );
    expect(controller.checkLiveness()).toBeUndefined();
    controller.enqueue(KEY);
    await started.promise;
    await expect.poll(() => controller.checkLiveness()).toMatch(/^default\/a is being reconciled/);
    finish.resolve();
    await expect.poll(() => controller.checkLiveness()).toBeUndefined();
    stop.abort();
    await ended;
  });

  it('lets a reconcile take the time that it may', async () => {
    const finish = Promise.withResolvers<void>();
    const { controller, stop, ended } = start(() => finish.promise.then(() => undefined));
    controller.enqueue(KEY);
    expect(controller.checkLiveness()).toBeUndefined();
    finish.resolve();
    stop.abort();
    await ended;
  });
});
