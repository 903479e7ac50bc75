/** Verifies reads of a kind that the API server does not serve yet. */

import { expect, it } from 'vitest';
import type { KubeObject, ResourceKind } from '../../../src/apimachinery/object.ts';
import { LateKindsStore } from '../../../src/kube/runtime/late-kinds-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { WidgetKind } from '../widget.ts';

const KEY = { namespace: 'default', name: 'a' };
const widget: KubeObject = { apiVersion: 'v1', kind: 'Widget', metadata: KEY };
const store = {
  get: async () => widget,
  list: async () => [widget],
} as unknown as Store;

const lateStore = (serves: () => Promise<boolean>) =>
  new LateKindsStore({ store, kinds: [WidgetKind as ResourceKind], serves });

it('a kind that is not served has no objects, and of a single one it is not known what became of it', async () => {
  const late = lateStore(async () => false);
  expect(await late.list(WidgetKind)).toEqual([]);
  await expect(late.get(WidgetKind, KEY)).rejects.toThrow('its kind is not served');
});

it('where that cannot be found out, nothing is said of the objects', async () => {
  const late = lateStore(async () => Promise.reject(new Error('no answer')));
  await expect(late.list(WidgetKind)).rejects.toThrow('no answer');
  await expect(late.get(WidgetKind, KEY)).rejects.toThrow('no answer');
});

it('a kind that is served is read as ever', async () => {
  const late = lateStore(async () => true);
  expect(await late.list(WidgetKind)).toEqual([widget]);
  expect(await late.get(WidgetKind, KEY)).toBe(widget);
});

it('a watch of a kind that is not served shows that there is nothing', async () => {
  const stop = new AbortController();
  const events = lateStore(async () => false)
    .watch(WidgetKind, { signal: stop.signal })
    [Symbol.asyncIterator]();
  expect(await events.next()).toEqual({ done: false, value: { type: 'SYNCED' } });
  stop.abort();
  expect(await events.next()).toMatchObject({ done: true });
});
