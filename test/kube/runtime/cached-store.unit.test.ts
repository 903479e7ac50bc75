/** Verifies that a cached store shows its own writes at once. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CachedStore } from '../../../src/kube/runtime/cached-store.ts';
import { Informer } from '../../../src/kube/runtime/informer.ts';
import { LocalStore } from '../../../src/store/local-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { type Widget, WidgetKind, widget } from '../widget.ts';

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

it('lists its own writes at once', async () => {
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

it('tells versions apart that differ beyond 2^53, where numbers no longer do', async () => {
  const versions = ['9007199254740992', '9007199254740993'] as const;
  const at = (resourceVersion: string): Widget => {
    const one = widget('huge');
    return { ...one, metadata: { ...one.metadata, uid: 'u', resourceVersion } };
  };
  let answer = at(versions[1]);
  const server = { get: async () => answer } as unknown as Store;
  const heard = new Informer(server, WidgetKind, silentLogger) as unknown as Informer;
  const fresh = new CachedStore(server, [heard]);
  const key = { namespace: 'default', name: 'huge' };
  const events = [{ type: 'SYNCED' }];
  Object.assign(server, {
    async *watch() {
      yield* events;
    },
  });
  await heard.run(new AbortController().signal);
  await fresh.get(WidgetKind, key, { fresh: true });
  // An answer that another has overtaken.
  answer = at(versions[0]);
  await fresh.get(WidgetKind, key, { fresh: true });
  expect((await fresh.get(WidgetKind, key))?.metadata.resourceVersion).toBe(versions[1]);
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

it('forgets an object that was created and deleted during an outage, once it is read', async () => {
  const key = { namespace: 'default', name: 'new' };
  await deafen();
  await cached.create(WidgetKind, widget('new'), { fieldManager: 'test' });
  await store.delete(WidgetKind, key);
  expect(await cached.get(WidgetKind, key, { fresh: true })).toBeUndefined();
  expect(await cached.get(WidgetKind, key)).toBeUndefined();
  expect(await names()).toEqual(['old']);
});

describe('one object', () => {
  const old = { namespace: 'default', name: 'old' };
  const phase = (object: Widget | undefined) => (object?.status as { phase?: string } | undefined)?.phase;
  const paint = (where: Store, colour: string) =>
    where.applyStatus(WidgetKind, old, { phase: colour }, { fieldManager: 'test' });

  it('is known without asking the store, unless it is asked for fresh', async () => {
    await deafen();
    await paint(store, 'red');
    expect(phase(await cached.get(WidgetKind, old))).toBeUndefined();
    expect(phase(await cached.get(WidgetKind, old, { fresh: true }))).toBe('red');
    // And is known from then on.
    expect(phase(await cached.get(WidgetKind, old))).toBe('red');
  });

  it('is as it was written last, and as others wrote it later once that is heard of', async () => {
    await paint(cached, 'red');
    expect(phase(await cached.get(WidgetKind, old))).toBe('red');
    await paint(store, 'green');
    await expect.poll(async () => phase(await cached.get(WidgetKind, old))).toBe('green');
  });

  it('comes from the store until the informer knows all', async () => {
    const late = new CachedStore(store, [
      new Informer(store, WidgetKind, silentLogger) as unknown as Informer,
    ]);
    await paint(store, 'red');
    expect(phase(await late.get(WidgetKind, old))).toBe('red');
  });

  it('comes from the store when the informer does not know it: it may not have heard yet', async () => {
    await deafen();
    await store.create(WidgetKind, widget('new'), { fieldManager: 'test' });
    expect(await cached.get(WidgetKind, { namespace: 'default', name: 'new' })).toBeDefined();
  });

  it('is gone at once when it is deleted, and there again when it is made again', async () => {
    await deafen();
    await cached.delete(WidgetKind, old);
    expect(await cached.get(WidgetKind, old)).toBeUndefined();
    expect(await cached.get(WidgetKind, old)).toBeUndefined();
    await store.create(WidgetKind, widget('old'), { fieldManager: 'test' });
    await paint(store, 'red');
    expect(phase(await cached.get(WidgetKind, old))).toBe('red');
  });

  it('is being deleted at once, while it waits for its finalizers', async () => {
    await cached.apply(WidgetKind, { metadata: { ...old, finalizers: ['a.b/c'] } }, { fieldManager: 'mine' });
    await deafen();
    await cached.delete(WidgetKind, old);
    expect((await cached.get(WidgetKind, old))?.metadata.deletionTimestamp).toBeDefined();
    await cached.apply(WidgetKind, { metadata: old }, { fieldManager: 'mine' });
    expect(await cached.get(WidgetKind, old)).toBeUndefined();
  });

  it('is read again after a refused write, which was based on an old version', async () => {
    await deafen();
    const before = await cached.get(WidgetKind, old);
    await paint(store, 'red');
    await expect(cached.update(WidgetKind, before as Widget, { fieldManager: 'test' })).rejects.toMatchObject(
      { code: 'Conflict' },
    );
    expect(phase(await cached.get(WidgetKind, old))).toBe('red');
  });

  it('stays as new as it was when an older answer comes last', async () => {
    await deafen();
    const overtaken = Promise.withResolvers<void>();
    const slow: Pick<Store, 'get' | 'applyStatus'> = {
      get: async (kind, key) => {
        const object = await store.get(kind, key);
        await overtaken.promise;
        return object;
      },
      applyStatus: (kind, key, status, options) => store.applyStatus(kind, key, status, options),
    };
    cached = new CachedStore(slow as Store, [informer]);
    const reading = cached.get(WidgetKind, old, { fresh: true });
    await paint(cached, 'red');
    overtaken.resolve();
    await reading;
    expect(phase(await cached.get(WidgetKind, old))).toBe('red');
  });
});
