/**
 * A store whose writes stay in memory: controllers that run over it show what they would do. Deletion and finalizers work as
 * on an API server; server-side apply and watches are left out, since what is run here needs neither.
 */

import type { KubeObject, ObjectKey, ResourceKind } from '../apimachinery/object.ts';
import { formatKey, keyOf } from '../apimachinery/object-key.ts';
import { TransientError } from '../errors.ts';
import type { ListOptions, Store, WatchEvent } from './store.ts';

/** What the writes lie on; it is read once for each kind and namespace. */
export interface DryRunBase extends Pick<Store, 'get' | 'list'> {
  uidOf(kind: ResourceKind, key: ObjectKey): string;
}

export class DryRunStore implements Store {
  readonly #base: DryRunBase;
  /** By plural and namespace, then by name. */
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  #version = 0;

  constructor(base: DryRunBase) {
    this.#base = base;
  }

  /** Counts the changes so far. */
  get version(): number {
    return this.#version;
  }

  async get<T extends KubeObject>(kind: ResourceKind<T>, { namespace, name }: ObjectKey) {
    return (await this.#loaded(kind, namespace)).get(name);
  }

  /** Throws without a namespace: a dry run stays in one. */
  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<T[]> {
    const { namespace, labelSelector } = options;
    if (namespace === undefined || labelSelector !== undefined) throw unsupported('such a list');
    return [...(await this.#loaded(kind, namespace)).values()];
  }

  async create<T extends KubeObject>(kind: ResourceKind<T>, object: T): Promise<T> {
    const key = keyOf(object);
    if (await this.get(kind, key)) throw conflict(kind, key, 'it exists already');
    const metadata = {
      ...object.metadata,
      uid: this.#base.uidOf(kind, key),
      generation: 1,
      creationTimestamp: new Date().toISOString(),
    };
    return this.#put(kind, { ...object, metadata });
  }

  async update<T extends KubeObject>(kind: ResourceKind<T>, object: T): Promise<T> {
    const key = keyOf(object);
    const before = await this.get(kind, key);
    if (!before) throw conflict(kind, key, 'it is gone');
    if (before.metadata.resourceVersion !== object.metadata.resourceVersion)
      throw conflict(kind, key, 'it was changed in the meantime');
    const isSame = JSON.stringify(before.spec) === JSON.stringify(object.spec);
    const generation = (before.metadata.generation ?? 0) + (isSame ? 0 : 1);
    const { status: _, ...written } = object;
    return this.#put(kind, {
      ...before,
      ...written,
      metadata: { ...object.metadata, generation },
    } as T);
  }

  async setFinalizers<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    finalizers: readonly string[],
  ): Promise<T | undefined> {
    if (!(await this.get(kind, keyOf(object)))) return undefined;
    return this.update(kind, { ...object, metadata: { ...object.metadata, finalizers: [...finalizers] } });
  }

  async applyStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    status: T['status'],
  ): Promise<T> {
    const before = await this.get(kind, key);
    if (!before) throw conflict(kind, key, 'it is gone');
    return this.#put(kind, { ...before, status });
  }

  async delete<T extends KubeObject>(kind: ResourceKind<T>, key: ObjectKey): Promise<void> {
    const before = await this.get(kind, key);
    if (!before || before.metadata.deletionTimestamp) return;
    const deletionTimestamp = new Date().toISOString();
    await this.#put(kind, { ...before, metadata: { ...before.metadata, deletionTimestamp } });
  }

  /** Takes an object away, whatever its finalizers wait for. */
  async remove<T extends KubeObject>(kind: ResourceKind<T>, { namespace, name }: ObjectKey): Promise<void> {
    if ((await this.#loaded(kind, namespace)).delete(name)) this.#version += 1;
  }

  apply(): Promise<never> {
    throw unsupported('apply');
  }

  watch<T extends KubeObject>(): AsyncIterable<WatchEvent<T>> {
    throw unsupported('watch');
  }

  /** An object that is being deleted and has no finalizer left goes. */
  async #put<T extends KubeObject>(kind: ResourceKind<T>, object: T): Promise<T> {
    this.#version += 1;
    const { namespace, name } = keyOf(object);
    const { deletionTimestamp, finalizers = [] } = object.metadata;
    const objects = await this.#loaded(kind, namespace);
    const metadata = { ...object.metadata, resourceVersion: `dry-run-${this.#version}` };
    const written = { ...object, metadata };
    if (deletionTimestamp && finalizers.length === 0) objects.delete(name);
    else objects.set(name, written);
    return written;
  }

  async #loaded<T extends KubeObject>(kind: ResourceKind<T>, namespace: string): Promise<Map<string, T>> {
    const place = `${kind.plural}/${namespace}`;
    let objects = this.#objects.get(place);
    if (!objects) {
      const listed = await this.#base.list(kind, { namespace });
      objects = new Map(listed.map((object) => [object.metadata.name, object]));
      this.#objects.set(place, objects);
    }
    return objects as Map<string, T>;
  }
}

function conflict(kind: ResourceKind, key: ObjectKey, why: string): TransientError {
  return new TransientError({
    code: 'Conflict',
    message: `${kind.kind} ${formatKey(key)}: ${why}`,
    fix: 'run the command again',
  });
}

function unsupported(what: string): Error {
  return new Error(`a dry run has no ${what}`);
}
