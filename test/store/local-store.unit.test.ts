/** Verifies apply, delete and concurrent writes of the local store. */

import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SecretKind } from '../../src/api/kinds/secret.ts';
import type { KubeObject, ResourceKind } from '../../src/apimachinery/object.ts';
import { LocalStore } from '../../src/store/local-store.ts';

interface Note extends KubeObject {
  spec?: { text?: string; list?: number[]; nested?: Record<string, string> };
  status?: { seen?: string };
}
const NoteKind: ResourceKind<Note> = {
  group: 'test',
  version: 'v1',
  kind: 'Note',
  plural: 'notes',
  namespaced: true,
};
const key = { namespace: 'default', name: 'one' };
const user = { fieldManager: 'user' };
const controller = { fieldManager: 'controller' };

let dir: string;
let store: LocalStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'caplv-store-'));
  store = await LocalStore.open(join(dir, 'state'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('apply', () => {
  it('keeps what another manager gave, and drops what the same manager leaves out', async () => {
    await store.apply(NoteKind, { metadata: key, spec: { text: 'a', nested: { x: '1', y: '2' } } }, user);
    await store.apply(
      NoteKind,
      { metadata: { ...key, finalizers: ['f'] }, spec: { nested: { z: '3' } } },
      controller,
    );
    const note = await store.apply(NoteKind, { metadata: key, spec: { nested: { x: '1' } } }, user);
    expect(note.spec).toEqual({ nested: { x: '1', z: '3' } });
    expect(note.metadata.finalizers).toEqual(['f']);
  });

  it('counts generations by changes of spec only, and versions by every change', async () => {
    const first = await store.apply(NoteKind, { metadata: key, spec: { text: 'a' } }, user);
    const same = await store.apply(NoteKind, { metadata: key, spec: { text: 'a' } }, user);
    expect(same.metadata).toEqual(first.metadata);
    const status = await store.applyStatus(NoteKind, key, { seen: 'yes' }, controller);
    expect(status.metadata.generation).toBe(1);
    expect(Number(status.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
    expect(
      (await store.apply(NoteKind, { metadata: key, spec: { text: 'b' } }, user)).metadata.generation,
    ).toBe(2);
  });

  it('keeps the data of a Secret, which a Machine boots with, and takes away a key that is left out', async () => {
    const secret = { metadata: key, type: 'Opaque', stringData: { value: '#cloud-config', other: 'x' } };
    await store.apply(SecretKind, secret, user);
    expect(await store.get(SecretKind, key)).toMatchObject({
      type: 'Opaque',
      stringData: { value: '#cloud-config', other: 'x' },
    });
    const changed = { metadata: key, stringData: { value: '#cloud-config' } };
    const after = await store.apply(SecretKind, changed, user);
    expect(after).toMatchObject({ stringData: { value: '#cloud-config' } });
    expect(after.stringData).not.toHaveProperty('other');
    expect(after).not.toHaveProperty('type');
  });

  it('of a stale version is a conflict that may be tried again', async () => {
    const { metadata } = await store.apply(NoteKind, { metadata: key, spec: { text: 'a' } }, user);
    await store.apply(NoteKind, { metadata: key, spec: { text: 'b' } }, user);
    const stale = {
      metadata: { ...key, resourceVersion: metadata.resourceVersion ?? '' },
      spec: { text: 'c' },
    };
    await expect(store.apply(NoteKind, stale, user)).rejects.toMatchObject({
      name: 'TransientError',
      code: 'Conflict',
    });
  });
});

describe('delete', () => {
  it('waits for finalizers, and the last one to go takes the object along', async () => {
    await store.apply(NoteKind, { metadata: { ...key, finalizers: ['f'] } }, controller);
    await store.delete(NoteKind, key);
    expect((await store.get(NoteKind, key))?.metadata.deletionTimestamp).toBeDefined();
    await store.apply(NoteKind, { metadata: key }, controller);
    expect(await store.get(NoteKind, key)).toBeUndefined();
    await store.delete(NoteKind, key);
  });
});

it('the uid of an object is known before it exists, and the same on each call', async () => {
  const uid = store.uidOf(NoteKind, key);
  expect((await store.apply(NoteKind, { metadata: key }, user)).metadata.uid).toBe(uid);
  const elsewhere = await LocalStore.open(join(dir, 'other'));
  expect(elsewhere.uidOf(NoteKind, key)).not.toBe(uid);
});

it('no other user can read what is stored', async () => {
  await store.apply(NoteKind, { metadata: key, spec: { text: 'secret' } }, user);
  const entries = await readdir(store.stateDir, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    expect(mode & 0o077, join(entry.parentPath, entry.name)).toBe(0);
  }
});

it('two processes that write at once lose nothing', async () => {
  const script = join(dir, 'writer.ts');
  const source = new URL('../../src/store/local-store.ts', import.meta.url).pathname;
  await writeFile(
    script,
    `import { LocalStore } from '${source}';
     const store = await LocalStore.open(process.argv[2]);
     const kind = { group: 'test', version: 'v1', kind: 'Note', plural: 'notes', namespaced: true };
     for (let i = 0; i < 20; i++) {
       await store.apply(kind, { metadata: { namespace: 'default', name: process.argv[3] + i }, spec: {} }, { fieldManager: 'w' });
       await store.apply(kind, { metadata: { namespace: 'default', name: 'one' }, spec: { nested: { [process.argv[3]]: String(i) } } }, { fieldManager: process.argv[3] });
     }`,
  );
  const run = promisify(execFile);
  await Promise.all(['a', 'b'].map((name) => run(process.execPath, [script, store.stateDir, name])));
  expect((await store.list(NoteKind)).length).toBe(41);
  expect((await store.get(NoteKind, key))?.spec?.nested).toEqual({ a: '19', b: '19' });
});

it('a state directory that cannot be used is named, with the flag that names another', async () => {
  await writeFile(join(dir, 'file'), '');
  await expect(LocalStore.open(join(dir, 'file', 'state'))).rejects.toMatchObject({
    code: 'StateDirNotWritable',
    fix: expect.stringContaining('--state-dir'),
  });
  await chmod(dir, 0o700);
});
