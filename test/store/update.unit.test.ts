/** Verifies Store.create and Store.update of the local store: the POST and PUT of an API server. */

import { beforeEach, describe, expect, it } from 'vitest';
import type { KubeObject, ResourceKind } from '../../src/apimachinery/object.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { memoryDir } from '../terraform/scratch.ts';

interface Thing extends KubeObject {
  spec: { size?: number; colors?: string[]; inner?: Record<string, number> };
}

const THINGS: ResourceKind<Thing> = {
  group: 'test.caplv.dev',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  namespaced: true,
};
const KEY = { namespace: 'default', name: 'a' };
const PERSON = { fieldManager: 'person' };
const CONTROLLER = { fieldManager: 'controller' };

let store: LocalStore;

beforeEach(async () => {
  store = await LocalStore.open(await memoryDir());
});

const thing = (spec: Thing['spec']): Thing => ({
  apiVersion: 'test.caplv.dev/v1',
  kind: 'Thing',
  metadata: { ...KEY },
  spec,
});

describe('create', () => {
  it('makes the object, with what a store adds', async () => {
    const made = await store.create(THINGS, thing({ size: 1 }), CONTROLLER);
    expect(made).toMatchObject({ apiVersion: 'test.caplv.dev/v1', kind: 'Thing', spec: { size: 1 } });
    expect(made.metadata).toMatchObject({ ...KEY, generation: 1, uid: store.uidOf(THINGS, KEY) });
  });

  it('does not change an existing object', async () => {
    const before = await store.apply(THINGS, thing({ size: 1 }), PERSON);
    await expect(store.create(THINGS, thing({ size: 2 }), CONTROLLER)).rejects.toMatchObject({
      code: 'Conflict',
    });
    expect(await store.get(THINGS, KEY)).toEqual(before);
  });

  it('lets one of many win', async () => {
    const tries = Array.from({ length: 8 }, (_, size) => store.create(THINGS, thing({ size }), CONTROLLER));
    const outcomes = await Promise.allSettled(tries);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('update', () => {
  it('takes away what someone else applied, which apply cannot', async () => {
    const owner = { apiVersion: 'v1', kind: 'Owner', name: 'o', uid: '1' };
    const metadata = {
      ...KEY,
      finalizers: ['one', 'two'],
      labels: { a: '1', b: '2' },
      ownerReferences: [owner],
    };
    const before = await store.apply(THINGS, { ...thing({ size: 1, colors: ['red'] }), metadata }, PERSON);
    const kept = { ...before.metadata, finalizers: ['two'], labels: { a: '1' }, ownerReferences: [] };
    const after = await store.update(THINGS, { ...before, metadata: kept, spec: { size: 1 } }, CONTROLLER);
    expect(after.metadata).toMatchObject({ finalizers: ['two'], labels: { a: '1' }, ownerReferences: [] });
    expect(after.spec).toEqual({ size: 1 });
    expect(after.metadata.generation).toBe(2);
    expect(await store.get(THINGS, KEY)).toEqual(after);
  });

  it("keeps other managers' unchanged fields theirs: their next apply still removes them", async () => {
    const before = await store.apply(THINGS, thing({ size: 1, inner: { x: 1, y: 1 } }), PERSON);
    const spec = { size: 1, inner: { x: 1, y: 2, z: 3 } };
    await store.update(THINGS, { ...before, spec }, CONTROLLER);
    const after = await store.apply(THINGS, thing({ inner: { y: 5 } }), PERSON);
    expect(after.spec).toEqual({ inner: { y: 5, z: 3 } });
  });

  it('does not change the status', async () => {
    await store.create(THINGS, thing({ size: 1 }), CONTROLLER);
    const told = await store.applyStatus(THINGS, KEY, { phase: 'Done' }, CONTROLLER);
    const after = await store.update(THINGS, { ...told, spec: { size: 2 }, status: {} }, CONTROLLER);
    expect(after).toMatchObject({ spec: { size: 2 }, status: { phase: 'Done' } });
  });

  it('refuses a change that is based on an old version, or on an object that is gone', async () => {
    const first = await store.create(THINGS, thing({ size: 1 }), CONTROLLER);
    await store.update(THINGS, { ...first, spec: { size: 2 } }, CONTROLLER);
    const conflict = { code: 'Conflict' };
    await expect(store.update(THINGS, { ...first, spec: { size: 3 } }, PERSON)).rejects.toMatchObject(
      conflict,
    );
    await store.delete(THINGS, KEY);
    await expect(store.update(THINGS, first, PERSON)).rejects.toMatchObject(conflict);
    expect(await store.get(THINGS, KEY)).toBeUndefined();
  });

  it('lets an object go that is being deleted, with its last finalizer', async () => {
    await store.apply(THINGS, { metadata: { ...KEY, finalizers: ['mine'] } }, PERSON);
    await store.delete(THINGS, KEY);
    const going = await store.get(THINGS, KEY);
    if (!going) throw new Error('it is gone already');
    await store.update(THINGS, { ...going, metadata: { ...going.metadata, finalizers: [] } }, CONTROLLER);
    expect(await store.get(THINGS, KEY)).toBeUndefined();
  });
});
