/**
 * The embedded store: a directory with one JSON file an object, so that one command turns a manifest into a machine with
 * no API server. Safe for several processes at once: every change happens under one lock and replaces the file at once.
 */

import { EventEmitter, on } from 'node:events';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseLabelSelector } from '../apimachinery/label-selector.ts';
import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../apimachinery/object.ts';
import { CaplvError, TransientError } from '../errors.ts';
import { Lock } from '../system/file-lock.ts';
import { DirectoryWatch } from './directory-watch.ts';
import { derivedUuid, installationId, notWritable } from './installation.ts';
import type { ApplyOptions, ListOptions, StatusOptions, Store, WatchEvent, WriteOptions } from './store.ts';
import { applyFields, applyStatusFields, replaceFields, type StoredObject } from './stored-object.ts';

export class LocalStore implements Store {
  readonly stateDir: string;
  readonly installation: string;

  private constructor(stateDir: string, installation: string) {
    this.stateDir = stateDir;
    this.installation = installation;
  }

  /** Opens, or makes, the store in `stateDir`. Throws Terminal StateDirNotWritable. */
  static async open(stateDir: string): Promise<LocalStore> {
    return new LocalStore(stateDir, await installationId(stateDir));
  }

  /** The uid that an object of this name has, or will have once it is applied. */
  uidOf(kind: ResourceKind, key: ObjectKey): string {
    return derivedUuid(this.installation, `${kind.plural}/${key.namespace}/${key.name}`);
  }

  async get<T extends KubeObject>(kind: ResourceKind<T>, key: ObjectKey): Promise<T | undefined> {
    return (await this.#read(kind, key))?.object as T | undefined;
  }

  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<T[]> {
    const matches = parseLabelSelector(options.labelSelector ?? '');
    const namespaces =
      options.namespace === undefined ? await entries(this.#kindDir(kind)) : [options.namespace];
    const objects: T[] = [];
    for (const namespace of namespaces) {
      for (const file of await entries(join(this.#kindDir(kind), namespace))) {
        if (!file.endsWith('.json')) continue;
        const object = await this.get(kind, { namespace, name: file.slice(0, -'.json'.length) });
        if (object && matches(object.metadata.labels)) objects.push(object);
      }
    }
    return objects;
  }

  async *watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    await mkdir(this.#kindDir(kind), { recursive: true, mode: 0o700 });
    const wake = new EventEmitter();
    const watcher = new DirectoryWatch(this.#kindDir(kind), () => wake.emit('change'));
    const changes = on(wake, 'change', { signal: options.signal });
    const known = new Map<string, T>();
    try {
      for await (const event of this.#difference(kind, options, known)) yield event;
      yield { type: 'SYNCED' };
      for await (const _ of changes) yield* this.#difference(kind, options, known);
    } catch (error) {
      if (!options.signal.aborted) throw error;
    } finally {
      watcher.close();
    }
  }

  /** Events that lead from `known` to what is there now; brings `known` up to date. */
  async *#difference<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions,
    known: Map<string, T>,
  ): AsyncIterable<WatchEvent<T>> {
    const now = new Map((await this.list(kind, options)).map((object) => [keyText(object.metadata), object]));
    for (const [key, object] of known) {
      if (now.has(key)) continue;
      known.delete(key);
      yield { type: 'DELETED', object };
    }
    for (const [key, object] of now) {
      const before = known.get(key);
      if (before?.metadata.resourceVersion === object.metadata.resourceVersion) continue;
      known.set(key, object);
      yield { type: before ? 'MODIFIED' : 'ADDED', object };
    }
  }

  async create<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    { fieldManager }: WriteOptions,
  ): Promise<T> {
    const key = keyOf(object.metadata);
    return this.#change(kind, key, (stored) => {
      if (stored) throw conflict(kind, key, 'it exists already');
      return applyFields(this.#blank(kind, key), fieldManager, object);
    }) as Promise<T>;
  }

  async update<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    { fieldManager }: WriteOptions,
  ): Promise<T> {
    const key = keyOf(object.metadata);
    return this.#change(kind, key, (stored) => {
      if (!stored) throw conflict(kind, key, 'it is gone');
      requireVersion(stored, kind, key, object.metadata);
      return replaceFields(stored, fieldManager, object);
    }) as Promise<T>;
  }

  async setFinalizers<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    finalizers: readonly string[],
    { fieldManager }: WriteOptions,
  ): Promise<T | undefined> {
    const key = keyOf(object.metadata);
    const { uid, resourceVersion } = object.metadata;
    return this.#change(kind, key, (stored) => {
      if (!stored) return undefined;
      requireVersion(stored, kind, key, { ...(uid === undefined ? {} : { uid }), resourceVersion });
      const metadata = { ...stored.object.metadata, finalizers: [...finalizers] };
      return replaceFields(stored, fieldManager, { ...stored.object, metadata });
    }) as Promise<T | undefined>;
  }

  async apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    options: ApplyOptions,
  ): Promise<T> {
    const key = keyOf(object.metadata);
    return this.#change(kind, key, (stored) => {
      requireVersion(stored, kind, key, object.metadata);
      return applyFields(stored ?? this.#blank(kind, key), options.fieldManager, object);
    }) as Promise<T>;
  }

  /** See `OverlayBase`. */
  async preview<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    { fieldManager }: ApplyOptions,
  ): Promise<T> {
    const key = keyOf(object.metadata);
    const stored = (await this.#read(kind, key)) ?? this.#blank(kind, key);
    return applyFields(stored, fieldManager, object).object as T;
  }

  async applyStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    status: T['status'],
    { fieldManager, resourceVersion }: StatusOptions,
  ): Promise<T> {
    return this.#change(kind, key, (stored) => {
      if (!stored) throw conflict(kind, key, 'it is gone');
      requireVersion(stored, kind, key, { resourceVersion });
      return applyStatusFields(stored, fieldManager, status);
    }) as Promise<T>;
  }

  async delete<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    preconditions: { readonly uid?: string; readonly resourceVersion?: string } = {},
  ): Promise<void> {
    await this.#change(kind, key, (stored) => {
      if (!stored) return undefined;
      requireVersion(stored, kind, key, preconditions);
      const deletionTimestamp = stored.object.metadata.deletionTimestamp ?? new Date().toISOString();
      return {
        ...stored,
        object: { ...stored.object, metadata: { ...stored.object.metadata, deletionTimestamp } },
      };
    });
  }

  /** Read, change, write under the lock. An object that is being deleted and has no finalizer left goes. */
  async #change(
    kind: ResourceKind,
    key: ObjectKey,
    change: (stored: StoredObject | undefined) => StoredObject | undefined,
  ): Promise<KubeObject | undefined> {
    const file = this.#file(kind, key);
    const lock = await this.#lock(dirname(file));
    try {
      const before = await this.#read(kind, key);
      const after = change(before);
      if (!after) return undefined;
      const { metadata } = after.object;
      if (metadata.deletionTimestamp && !metadata.finalizers?.length) {
        await rm(file, { force: true });
        return after.object;
      }
      if (before && JSON.stringify(before) === JSON.stringify(after)) return before.object;
      // Also larger than the version of an earlier object of that name: time only goes on.
      metadata.resourceVersion = String(
        Math.max(Number(before?.object.metadata.resourceVersion ?? 0) + 1, Date.now()),
      );
      const draft = `${file}.draft`;
      await writeFile(draft, `${JSON.stringify(after, null, 2)}\n`, { mode: 0o600 });
      await rename(draft, file);
      return after.object;
    } finally {
      await lock.release();
    }
  }

  /** Makes `directory`, too. Throws Terminal StateDirNotWritable. */
  async #lock(directory: string): Promise<Lock> {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      return await Lock.acquire(join(this.stateDir, 'objects', '.lock'), {
        operation: 'change of an object',
        timeoutMs: 10_000,
      });
    } catch (error) {
      throw error instanceof CaplvError ? error : notWritable(this.stateDir, error);
    }
  }

  #blank(kind: ResourceKind, key: ObjectKey): StoredObject {
    return {
      object: {
        apiVersion: kind.group === '' ? kind.version : `${kind.group}/${kind.version}`,
        kind: kind.kind,
        metadata: {
          ...key,
          uid: this.uidOf(kind, key),
          generation: 0,
          creationTimestamp: new Date().toISOString(),
        },
      },
      applied: [],
      appliedStatus: [],
    };
  }

  async #read(kind: ResourceKind, key: ObjectKey): Promise<StoredObject | undefined> {
    try {
      return JSON.parse(await readFile(this.#file(kind, key), 'utf8')) as StoredObject;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  #kindDir(kind: ResourceKind): string {
    return join(this.stateDir, 'objects', kind.plural);
  }

  #file(kind: ResourceKind, key: ObjectKey): string {
    return join(this.#kindDir(kind), key.namespace, `${key.name}.json`);
  }
}

function requireVersion(
  stored: StoredObject | undefined,
  kind: ResourceKind,
  key: ObjectKey,
  wanted: { readonly uid?: string; readonly resourceVersion?: string | undefined },
): void {
  const metadata = stored?.object.metadata;
  if (wanted.uid !== undefined && metadata?.uid !== wanted.uid)
    throw conflict(kind, key, 'it is another object by now');
  if (wanted.resourceVersion !== undefined && metadata?.resourceVersion !== wanted.resourceVersion) {
    throw conflict(kind, key, 'it was changed in the meantime');
  }
}

function conflict(kind: ResourceKind, key: ObjectKey, why: string): TransientError {
  return new TransientError({
    code: 'Conflict',
    message: `${kind.kind} ${key.namespace}/${key.name}: ${why}`,
    fix: 'read it again and repeat the change',
    retryAfterMs: 50,
  });
}

function keyOf({ namespace = 'default', name }: ObjectMeta): ObjectKey {
  return { namespace, name };
}

function keyText(metadata: ObjectMeta): string {
  return `${metadata.namespace}/${metadata.name}`;
}

async function entries(directory: string): Promise<string[]> {
  return readdir(directory).then(
    (names) => names.sort(),
    () => [],
  );
}
