/** Verifies that a finalizer can be removed after others applied the object again, for example from a backup. */

import { beforeEach, expect, test } from 'vitest';
import type { KubeObject } from '../../src/apimachinery/object.ts';
import { addFinalizer, removeFinalizer } from '../../src/store/finalizer.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { WidgetKind, widget } from '../kube/widget.ts';
import { memoryDir } from '../terraform/scratch.ts';

const KEY = { namespace: 'default', name: 'thing' };
const MINE = 'test.caplv.dev/mine';
const CONTROLLER = { fieldManager: 'controller' };

let store: LocalStore;

beforeEach(async () => {
  store = await LocalStore.open(await memoryDir());
});

async function claimed(): Promise<KubeObject> {
  await store.apply(WidgetKind, widget('thing'), { fieldManager: 'person' });
  const metadata = { ...KEY, finalizers: [MINE] };
  return store.apply(WidgetKind, { metadata }, CONTROLLER);
}

/** `caplv get -o yaml`, and `caplv apply` of that. */
async function exportedAndApplied(): Promise<void> {
  const exported = await store.get(WidgetKind, KEY);
  if (exported) await store.apply(WidgetKind, exported, { fieldManager: 'person' });
}

test('an object that was exported and applied again goes', async () => {
  await claimed();
  await exportedAndApplied();
  await store.delete(WidgetKind, KEY);
  expect(await store.get(WidgetKind, KEY)).toMatchObject({ metadata: { finalizers: [MINE] } });
  await removeFinalizer(store, WidgetKind, KEY, MINE, CONTROLLER);
  expect(await store.get(WidgetKind, KEY)).toBeUndefined();
});

test('the finalizers of others stay, and so do all other fields', async () => {
  const before = await claimed();
  await addFinalizer(store, WidgetKind, before, 'test.caplv.dev/theirs', { fieldManager: 'other' });
  await exportedAndApplied();
  await removeFinalizer(store, WidgetKind, KEY, MINE, CONTROLLER);
  const after = await store.get(WidgetKind, KEY);
  expect(after?.metadata.finalizers).toEqual(['test.caplv.dev/theirs']);
  expect(after?.spec).toEqual(before.spec);
});

test('another object of the same name keeps its own', async () => {
  await claimed();
  await removeFinalizer(store, WidgetKind, { ...KEY, uid: 'of-another-life' }, MINE, CONTROLLER);
  expect(await store.get(WidgetKind, KEY)).toMatchObject({ metadata: { finalizers: [MINE] } });
});

test('a change by others in the same moment is read again, and not written over', async () => {
  await claimed();
  let reads = 0;
  const raced = {
    setFinalizers: store.setFinalizers.bind(store),
    get: async (...given: Parameters<LocalStore['get']>) => {
      const object = await store.get(...given);
      if (reads++ < 2)
        await store.apply(
          WidgetKind,
          { metadata: { ...KEY, labels: { n: `${reads}` } } },
          { fieldManager: 'busy' },
        );
      return object;
    },
  } as Pick<LocalStore, 'get' | 'setFinalizers'>;
  await removeFinalizer(raced, WidgetKind, KEY, MINE, CONTROLLER);
  const after = await store.get(WidgetKind, KEY);
  expect(after?.metadata).toMatchObject({ labels: { n: '2' } });
  expect(after?.metadata.finalizers ?? []).toEqual([]);
});

test('an object that is gone is no error', async () => {
  await removeFinalizer(store, WidgetKind, KEY, MINE, CONTROLLER);
});

test('an object that is known is not read again, unless it has changed since', async () => {
  const known = await claimed();
  let reads = 0;
  const counted = {
    setFinalizers: store.setFinalizers.bind(store),
    get: (...given: Parameters<LocalStore['get']>) => {
      reads += 1;
      return store.get(...given);
    },
  } as Pick<LocalStore, 'get' | 'setFinalizers'>;
  const labels = { changed: 'since' };
  await store.apply(WidgetKind, { metadata: { ...KEY, labels } }, { fieldManager: 'other' });
  await removeFinalizer(counted, WidgetKind, KEY, MINE, { ...CONTROLLER, known });
  const after = await store.get(WidgetKind, KEY);
  expect(after?.metadata).toMatchObject({ labels });
  expect(after?.metadata.finalizers ?? []).toEqual([]);
  expect(reads).toBe(1);

  const again = await addFinalizer(store, WidgetKind, after as never, MINE, CONTROLLER);
  await removeFinalizer(counted, WidgetKind, KEY, MINE, { ...CONTROLLER, known: again as never });
  expect((await store.get(WidgetKind, KEY))?.metadata.finalizers ?? []).toEqual([]);
  expect(reads).toBe(1);
});
