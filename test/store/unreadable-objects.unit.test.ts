/** Verifies that a broken object file is reported, and not treated as a missing object. */

import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { KubeObject, ResourceKind } from '../../src/apimachinery/object.ts';
import { CachedStore } from '../../src/kube/runtime/cached-store.ts';
import { Informer } from '../../src/kube/runtime/informer.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { UnreadableObjectError } from '../../src/store/unreadable-object.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { memoryDir } from '../terraform/scratch.ts';

interface Note extends KubeObject {
  spec?: { text: string };
}
const NoteKind: ResourceKind<Note> = {
  group: 'test',
  version: 'v1',
  kind: 'Note',
  plural: 'notes',
  namespaced: true,
};
const key = (name: string) => ({ namespace: 'default', name });
const user = { fieldManager: 'user' };
const apply = (name: string, text: string, options = {}) =>
  store.apply(NoteKind, { metadata: key(name), spec: { text } }, { ...user, ...options });

let store: LocalStore;
const fileOf = (name: string) => join(store.stateDir, 'objects', 'notes', 'default', `${name}.json`);

beforeEach(async () => {
  store = await LocalStore.open(await memoryDir());
  await apply('broken', 'a');
  await apply('whole', 'a');
});

/** What a power failure, a full disk or an editor makes of a file. */
const damage: Readonly<Record<string, { of: (file: string) => Promise<unknown>; why: string }>> = {
  'is empty': { of: (file) => truncate(file, 0), why: 'is empty' },
  'is cut in half': {
    of: async (file) => truncate(file, Math.floor((await readFile(file)).length / 2)),
    why: 'is not JSON, or not all of it',
  },
  'lacks its last brace': {
    of: async (file) => truncate(file, (await readFile(file)).length - 2),
    why: 'is not JSON, or not all of it',
  },
  'is full of zeros': { of: (file) => writeFile(file, Buffer.alloc(300)), why: 'is not JSON' },
  'is JSON of something else': {
    of: (file) => writeFile(file, '{"kind":"Note"}'),
    why: 'is not of the form',
  },
  'is null': { of: (file) => writeFile(file, 'null'), why: 'is not of the form' },
  'is a copy of another': {
    of: async (file) => writeFile(file, (await readFile(file, 'utf8')).replaceAll('broken', 'whole')),
    why: 'is of "whole", and not of "broken"',
  },
  'is a directory': {
    of: async (file) => {
      await rm(file);
      await mkdir(file);
    },
    why: 'cannot be opened',
  },
};

describe.each(Object.entries(damage))('a file that %s', (_, { of, why }) => {
  beforeEach(() => of(fileOf('broken')));

  const named = {
    code: 'ObjectUnreadable',
    message: expect.stringMatching(/Note default\/broken .*objects\/notes\/default\/broken\.json/),
    fix: expect.stringContaining('apply its manifest again'),
  };

  it('is reported with its fault, and does not count as absent', async () => {
    await expect(store.get(NoteKind, key('broken'))).rejects.toMatchObject(named);
    await expect(store.get(NoteKind, key('broken'))).rejects.toThrow(why);
  });

  it('is left out of no list but of one that asks for the others', async () => {
    await expect(store.list(NoteKind)).rejects.toMatchObject(named);
    const told: (readonly UnreadableObjectError[])[] = [];
    const others = await store.list(NoteKind, { onUnreadable: (errors) => told.push(errors) });
    expect(others.map(({ metadata }) => metadata.name)).toEqual(['whole']);
    expect(told).toMatchObject([[{ ...named, uid: store.uidOf(NoteKind, key('broken')) }]]);
  });

  it('is overwritten by nothing but a manifest, and kept even then', async () => {
    const object = { apiVersion: 'test/v1', kind: 'Note', metadata: key('broken') };
    await expect(store.create(NoteKind, object, user)).rejects.toMatchObject(named);
    await expect(store.update(NoteKind, object, user)).rejects.toMatchObject(named);
    await expect(store.applyStatus(NoteKind, key('broken'), undefined, user)).rejects.toMatchObject(named);
    await expect(store.setFinalizers(NoteKind, object, [], user)).rejects.toMatchObject(named);
    await expect(store.delete(NoteKind, key('broken'))).rejects.toMatchObject(named);
    await expect(apply('broken', 'b')).rejects.toMatchObject(named);

    const applied = await apply('broken', 'b', { replaceUnreadable: true });
    expect(applied.metadata.uid).toBe(store.uidOf(NoteKind, key('broken')));
    expect((await store.list(NoteKind)).map(({ spec }) => spec?.text)).toEqual(['b', 'a']);
    const kept = (await readdir(join(fileOf('broken'), '..'))).filter((name) => name.includes('unreadable'));
    expect(kept).toEqual([expect.stringMatching(/^broken\.json\.unreadable-\d+$/)]);
  });
});

it('a watch takes a broken file for no deletion, names it once, and goes on when it is mended', async () => {
  const stop = new AbortController();
  const lines: string[] = [];
  const log = createLogger({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  const informer = new Informer(store, NoteKind, log);
  const seen: string[] = [];
  let wake = () => {};
  informer.addHandler(({ type, object }) => {
    seen.push(`${type} ${object.metadata.name} ${object.spec?.text}`);
    wake();
  });
  const running = informer.run(stop.signal);
  await informer.whenSynced();
  const next = async (line: string) => {
    while (!seen.includes(line)) await new Promise<void>((resolve) => (wake = resolve));
  };

  const whole = await readFile(fileOf('broken'));
  await truncate(fileOf('broken'), 0);
  await apply('whole', 'b');
  await next('MODIFIED whole b');
  // It is still known, and yet no list without a word of it is given.
  const cached = new CachedStore(store, [informer as unknown as Informer]);
  expect((await cached.get(NoteKind, key('broken')))?.spec).toEqual({ text: 'a' });
  await expect(cached.list(NoteKind)).rejects.toBeInstanceOf(UnreadableObjectError);
  expect(await cached.list(NoteKind, { onUnreadable: () => {} })).toHaveLength(2);
  await apply('whole', 'c');
  await next('MODIFIED whole c');
  expect(lines.filter((line) => line.includes('default/broken'))).toHaveLength(1);

  await writeFile(fileOf('broken'), whole);
  await apply('broken', 'd');
  await next('MODIFIED broken d');
  expect(await cached.list(NoteKind)).toHaveLength(2);
  expect(seen.filter((line) => line.startsWith('DELETED'))).toEqual([]);
  stop.abort();
  await running;
});

it('a version beyond 2^53 still grows by one, so that no change is missed', async () => {
  const version = '18446744073709551615';
  const stored = JSON.parse(await readFile(fileOf('whole'), 'utf8'));
  stored.object.metadata.resourceVersion = version;
  await writeFile(fileOf('whole'), JSON.stringify(stored));
  expect((await apply('whole', 'b')).metadata.resourceVersion).toBe('18446744073709551616');
  expect((await apply('whole', 'c')).metadata.resourceVersion).toBe('18446744073709551617');
});
