/** Verifies that controllers run over a directory, without an API server. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Controller } from '../../src/kube/runtime/controller.ts';
import { Manager } from '../../src/kube/runtime/manager.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { WidgetKind, widget } from '../kube/widget.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'caplv-local-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

it('runs the same controllers over a directory, without any Kubernetes', async () => {
  const store = await LocalStore.open(dir);
  const metrics = new Metrics();
  const manager = new Manager({ store, log: silentLogger, metrics });
  const widgets = manager.informer(WidgetKind);
  const painter = new Controller({
    name: 'painter',
    log: silentLogger,
    metrics,
    reconcile: async (key) => {
      const { color } = widgets.get(key)?.spec ?? {};
      if (color)
        await store.applyStatus(WidgetKind, key, { phase: `painted ${color}` }, { fieldManager: 'painter' });
      return undefined;
    },
  });
  manager.add(painter.watch(widgets));

  await store.apply(WidgetKind, widget('before', { color: 'red' }), { fieldManager: 'test' });
  const stop = new AbortController();
  const stopped = manager.run(stop.signal);
  await widgets.whenSynced();
  await store.apply(WidgetKind, widget('after', { color: 'blue' }), { fieldManager: 'test' });

  const phase = (name: string) => widgets.get({ namespace: 'default', name })?.status?.phase;
  await expect.poll(() => [phase('before'), phase('after')]).toEqual(['painted red', 'painted blue']);
  await store.delete(WidgetKind, { namespace: 'default', name: 'before' });
  await expect.poll(() => widgets.list().map(({ metadata }) => metadata.name)).toEqual(['after']);
  stop.abort();
  await stopped;
});
