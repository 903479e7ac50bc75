/**
 * A store whose lists of some kinds come from informers, so that looking at all machines costs no request. What was written
 * through it is seen at once, though the informer hears of it later. Everything else goes to the store behind it: a single
 * object is always read fresh.
 */

import { parseLabelSelector } from '../store/label-selector.ts';
import type {
  ApplyOptions,
  KubeObject,
  ListOptions,
  ObjectKey,
  ObjectMeta,
  ResourceKind,
  Store,
  WatchEvent,
  WriteOptions,
} from '../store/store.ts';
import type { Informer } from './informer.ts';
import { formatKey, keyOf, resourceName } from './key.ts';

export class CachedStore implements Store {
  readonly #store: Store;
  readonly #informers: ReadonlyMap<string, Informer>;
  /** What was written and is newer than what the informer knows, by resource and key. Some of it went with that write. */
  readonly #written = new Map<string, KubeObject>();

  constructor(store: Store, informers: readonly Informer[]) {
    this.#store = store;
    this.#informers = new Map(informers.map((informer) => [resourceName(informer.kind), informer]));
    for (const informer of informers) {
      informer.addHandler(({ type, object }) => {
        const id = idOf(informer.kind, object);
        const written = this.#written.get(id);
        if (!written) return;
        const isAnother = object.metadata.uid !== written.metadata.uid;
        const isNewer = !isGone(written) && versionOf(object) >= versionOf(written);
        if (type === 'DELETED' || isAnother || isNewer) this.#written.delete(id);
      });
    }
  }

  async get<T extends KubeObject>(kind: ResourceKind<T>, key: ObjectKey): Promise<T | undefined> {
    const object = await this.#store.get(kind, key);
    // Made and removed while the informer did not listen: it will never hear of it.
    if (!object && !this.#informers.get(resourceName(kind))?.get(key))
      this.#written.delete(nameOf(kind, key));
    return object;
  }

  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<T[]> {
    const informer = this.#informers.get(resourceName(kind)) as Informer<T> | undefined;
    if (!informer?.hasSynced) return this.#store.list(kind, options);
    const matches = parseLabelSelector(options.labelSelector ?? '');
    const known = informer.list(options.namespace);
    const keys = new Set(known.map((object) => idOf(kind, object)));
    const unheardOf = [...this.#written]
      .filter(
        ([id, object]) => id.startsWith(`${resourceName(kind)}|`) && !keys.has(id) && isIn(object, options),
      )
      .map(([, object]) => object as T);
    const now = known.map((object) => (this.#written.get(idOf(kind, object)) as T | undefined) ?? object);
    return [...now, ...unheardOf].filter((object) => !isGone(object) && matches(object.metadata.labels));
  }

  watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    return this.#store.watch(kind, options);
  }

  async create<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions): Promise<T> {
    return this.#remember(kind, await this.#store.create(kind, object, options));
  }

  async update<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions): Promise<T> {
    return this.#remember(kind, await this.#store.update(kind, object, options));
  }

  async apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    options: ApplyOptions,
  ): Promise<T> {
    return this.#remember(kind, await this.#store.apply(kind, object, options));
  }

  async applyStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    status: T['status'],
    options: ApplyOptions,
  ): Promise<T> {
    return this.#remember(kind, await this.#store.applyStatus(kind, key, status, options));
  }

  async delete<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    preconditions?: { readonly uid?: string; readonly resourceVersion?: string },
  ): Promise<void> {
    await this.#store.delete(kind, key, preconditions);
  }

  #remember<T extends KubeObject>(kind: ResourceKind<T>, object: T): T {
    const informer = this.#informers.get(resourceName(kind)) as Informer<T> | undefined;
    if (!informer) return object;
    const known = informer.get(keyOf(object));
    // An object that goes with a write keeps its version.
    const isHeard = isGone(object)
      ? known?.metadata.uid !== object.metadata.uid
      : known !== undefined && versionOf(known) >= versionOf(object);
    if (isHeard) this.#written.delete(idOf(kind, object));
    else this.#written.set(idOf(kind, object), object);
    return object;
  }
}

function idOf(kind: ResourceKind, object: KubeObject): string {
  return nameOf(kind, keyOf(object));
}

function nameOf(kind: ResourceKind, key: ObjectKey): string {
  return `${resourceName(kind)}|${formatKey(key)}`;
}

function isIn(object: KubeObject, { namespace }: ListOptions): boolean {
  return namespace === undefined || object.metadata.namespace === namespace;
}

/** The last finalizer of an object that is being deleted was taken away. */
function isGone({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined && !metadata.finalizers?.length;
}

/** Versions are numbers that grow, in both stores (for Kubernetes: KEP 5504). */
function versionOf({ metadata }: KubeObject): number {
  return Number(metadata.resourceVersion ?? 0);
}
