import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CachedStore } from '../../src/kube/cached-store.ts';
import { Informer } from '../../src/kube/informer.ts';
import { silentLogger } from '../../src/kube/log.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { WidgetKind, widget } from './widget.ts';

let dir: string;
let store: LocalStore;
let informer: Informer;
let cached: CachedStore;
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'caplv-cached-'));
  store = await LocalStore.open(dir);
  await store.create(WidgetKind, widget('old'), { fieldManager: 'test' });
  informer = new Informer(store, WidgetKind, silentLogger) as unknown as Informer;
  cached = new CachedStore(store, [informer]);
  stop = new AbortController();
  running = informer.run(stop.signal);
  await informer.whenSynced();
});

afterEach(async () => {
  stop.abort();
  await running;
  await rm(dir, { recursive: true, force: true });
});

const names = async () => (await cached.list(WidgetKind)).map(({ metadata }) => metadata.name).sort();

/** The informer hears of nothing any more: what is seen now was not learnt from it. */
async function deafen(): Promise<void> {
  stop.abort();
  await running;
}

it('lists what the informer knows', async () => {
  expect(await names()).toEqual(['old']);
});

it('lists at once what was written through it', async () => {
  await deafen();
  await cached.create(WidgetKind, widget('new'), { fieldManager: 'test' });
  await cached.applyStatus(
    WidgetKind,
    { namespace: 'default', name: 'old' },
    { phase: 'painted' },
    { fieldManager: 'test' },
  );
  expect(await names()).toEqual(['new', 'old']);
  const old = (await cached.list(WidgetKind)).find(({ metadata }) => metadata.name === 'old');
  expect(old?.status).toEqual({ phase: 'painted' });
});

it('no longer lists what went with the last finalizer that it took away', async () => {
  const key = { namespace: 'default', name: 'old' };
  await cached.apply(WidgetKind, { metadata: { ...key, finalizers: ['a.b/c'] } }, { fieldManager: 'mine' });
  await cached.delete(WidgetKind, key);
  expect(await names()).toEqual(['old']);
  await deafen();
  await cached.apply(WidgetKind, { metadata: key }, { fieldManager: 'mine' });
  expect(await names()).toEqual([]);
});

it('takes the word of the informer for all that happens elsewhere', async () => {
  const key = { namespace: 'default', name: 'new' };
  await cached.create(WidgetKind, widget('new'), { fieldManager: 'test' });
  await expect.poll(() => informer.get(key)).toBeDefined();
  await store.delete(WidgetKind, key);
  await expect.poll(names).toEqual(['old']);
});

it('forgets what came and went unheard, once somebody looks for it', async () => {
  const key = { namespace: 'default', name: 'new' };
  await deafen();
  await cached.create(WidgetKind, widget('new'), { fieldManager: 'test' });
  await store.delete(WidgetKind, key);
  expect(await cached.get(WidgetKind, key)).toBeUndefined();
  expect(await names()).toEqual(['old']);
});
