/**
 * Stores objects in a directory, so that one command turns a manifest into a machine without an API server. Safe for several
 * processes at once: every change is made under one lock and replaces the object's file atomically.
 */

import { EventEmitter, on } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { parseLabelSelector } from '../apimachinery/label-selector.ts';
import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../apimachinery/object.ts';
import { formatKey } from '../apimachinery/object-key.ts';
import { Turn } from '../system/turn.ts';
import { DirectoryWatch } from './directory-watch.ts';
import { installationId } from './installation.ts';
import { ObjectFiles } from './object-files.ts';
import { conflict, nextVersion, requireVersion } from './object-version.ts';
import type { ApplyOptions, ListOptions, StatusOptions, Store, WatchEvent, WriteOptions } from './store.ts';
import { applyFields, applyStatusFields, replaceFields, type StoredObject } from './stored-object.ts';
import { UnreadableObjectError } from './unreadable-object.ts';

export class LocalStore implements Store {
  readonly stateDir: string;
  readonly installation: string;
  readonly #files: ObjectFiles;
  /** Ends with the last change that was asked for in this process. */
  #changed: Promise<unknown> = Promise.resolve();

  private constructor(stateDir: string, installation: string) {
    this.stateDir = stateDir;
    this.installation = installation;
    this.#files = new ObjectFiles(stateDir, installation);
  }

  /** Opens, or makes, the store in `stateDir`. Throws Terminal StateDirNotWritable. */
  static async open(stateDir: string): Promise<LocalStore> {
    return new LocalStore(stateDir, await installationId(stateDir));
  }

  /** Returns the uid that an object of this name has, or will have once it is applied. */
  uidOf(kind: ResourceKind, key: ObjectKey): string {
    return this.#files.uidOf(kind, key);
  }

  async get<T extends KubeObject>(kind: ResourceKind<T>, key: ObjectKey): Promise<T | undefined> {
    return this.#files.read(kind, key)?.object as T | undefined;
  }

  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<T[]> {
    const matches = parseLabelSelector(options.labelSelector ?? '');
    const objects: T[] = [];
    const unreadable: UnreadableObjectError[] = [];
    const turn = new Turn();
    for (const key of this.#files.keys(kind, options.namespace)) {
      const object = await this.get(kind, key).catch((error: unknown) => {
        if (!(error instanceof UnreadableObjectError) || !options.onUnreadable) throw error;
        unreadable.push(error);
      });
      if (object && matches(object.metadata.labels)) objects.push(object);
      await turn.yieldIfLong();
    }
    options.onUnreadable?.(unreadable);
    return objects;
  }

  async *watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    const directory = this.#files.directory(kind);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const wake = new EventEmitter();
    const watcher = new DirectoryWatch(directory, () => wake.emit('change'));
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
    const unreadable = new Set<string>();
    const listed = await this.list(kind, {
      ...options,
      onUnreadable: (errors) => {
        for (const error of errors) unreadable.add(formatKey(error.key));
        options.onUnreadable?.(errors);
      },
    });
    const now = new Map(listed.map((object) => [keyText(object.metadata), object]));
    for (const [key, object] of known) {
      if (now.has(key) || unreadable.has(key)) continue;
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
      return applyFields(this.#files.blank(kind, key), fieldManager, object);
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
    const apply = (stored: StoredObject | undefined) => {
      requireVersion(stored, kind, key, object.metadata);
      return applyFields(stored ?? this.#files.blank(kind, key), options.fieldManager, object);
    };
    return this.#change(kind, key, apply, options) as Promise<T>;
  }

  /** See `OverlayBase`. */
  async preview<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    { fieldManager }: ApplyOptions,
  ): Promise<T> {
    const key = keyOf(object.metadata);
    const stored = this.#files.read(kind, key) ?? this.#files.blank(kind, key);
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

  /** Makes one change after the other, in the order of the calls: who waits here need not poll the lock, which is for other processes. */
  #change(
    kind: ResourceKind,
    key: ObjectKey,
    change: (stored: StoredObject | undefined) => StoredObject | undefined,
    options: Pick<ApplyOptions, 'replaceUnreadable'> = {},
  ): Promise<KubeObject | undefined> {
    const done = this.#changed.then(() => this.#changeLocked(kind, key, change, options));
    this.#changed = done.catch(() => {});
    return done;
  }

  /** Reads, changes and writes an object under the lock; removes one that is being deleted and has no finalizer left. */
  async #changeLocked(
    kind: ResourceKind,
    key: ObjectKey,
    change: (stored: StoredObject | undefined) => StoredObject | undefined,
    { replaceUnreadable = false }: Pick<ApplyOptions, 'replaceUnreadable'>,
  ): Promise<KubeObject | undefined> {
    const lock = await this.#files.lock();
    try {
      const before = replaceUnreadable
        ? await this.#files.readOrSetAside(kind, key)
        : this.#files.read(kind, key);
      const after = change(before);
      if (!after) return undefined;
      const { metadata } = after.object;
      if (metadata.deletionTimestamp && !metadata.finalizers?.length) {
        await this.#files.remove(kind, key);
        return after.object;
      }
      if (before && JSON.stringify(before) === JSON.stringify(after)) return before.object;
      metadata.resourceVersion = nextVersion(before?.object.metadata.resourceVersion);
      if (!before) await this.#files.makeDirectory(kind, key);
      await this.#files.write(kind, key, after);
      return after.object;
    } finally {
      await lock.release();
    }
  }
}

function keyOf({ namespace = 'default', name }: ObjectMeta): ObjectKey {
  return { namespace, name };
}

function keyText(metadata: ObjectMeta): string {
  return `${metadata.namespace}/${metadata.name}`;
}
