/**
 * Reads some kinds from informers, so that reading them costs no request. Writes through this store are visible at once, although
 * the informer receives them later; writes of others are visible with a short delay, unless a fresh read is requested. All other
 * calls go to the store behind it.
 */

import { parseLabelSelector } from '../../apimachinery/label-selector.ts';
import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { formatKey, keyOf, resourceName } from '../../apimachinery/object-key.ts';
import type {
  ApplyOptions,
  GetOptions,
  ListOptions,
  StatusOptions,
  Store,
  WriteOptions,
} from '../../store/store.ts';
import { ForwardingStore } from './forwarding-store.ts';
import type { Informer } from './informer.ts';

export class CachedStore extends ForwardingStore {
  readonly #informers: ReadonlyMap<string, Informer>;
  /** Holds what was written here and is newer than in the informer, by resource and key; also objects that the write removed. */
  readonly #written = new Map<string, KubeObject>();
  /**
   * Holds keys that have to be read from the store: objects that were removed, or whose write failed. By resource and key; each entry is
   * a new object.
   */
  readonly #doubts = new Map<string, object>();

  constructor(store: Store, informers: readonly Informer[]) {
    super(store);
    this.#informers = new Map(informers.map((informer) => [resourceName(informer.kind), informer]));
    for (const informer of informers) {
      informer.addHandler(({ type, object }) => {
        const id = idOf(informer.kind, object);
        if (type === 'DELETED') this.#doubts.delete(id);
        const written = this.#written.get(id);
        if (!written) return;
        const isAnother = object.metadata.uid !== written.metadata.uid;
        const isNewer = !isGone(written) && versionOf(object) >= versionOf(written);
        if (type === 'DELETED' || isAnother || isNewer) this.#written.delete(id);
      });
    }
  }

  override async get<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    { fresh = false }: GetOptions = {},
  ): Promise<T | undefined> {
    const informer = this.#informers.get(resourceName(kind)) as Informer<T> | undefined;
    if (!informer) return this.store.get(kind, key);
    const id = nameOf(kind, key);
    const doubt = this.#doubts.get(id);
    if (!fresh && informer.hasSynced && !doubt) {
      const known = (this.#written.get(id) as T | undefined) ?? informer.get(key);
      // The informer may not have received a new object yet.
      if (known && !isGone(known)) return known;
    }
    const object = await this.store.get(kind, key);
    if (object) this.#remember(kind, object);
    // Created and deleted while the watch was interrupted: the informer will never receive it.
    else if (!informer.get(key)) this.#written.delete(id);
    // As long as the informer still has a deleted object, the store is asked.
    if (!object && informer.get(key)) this.#doubts.set(id, {});
    else if (this.#doubts.get(id) === doubt) this.#doubts.delete(id);
    return object;
  }

  override async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<T[]> {
    const informer = this.#informers.get(resourceName(kind)) as Informer<T> | undefined;
    if (!informer?.hasSynced) return this.store.list(kind, options);
    const unreadable = informer.unreadable(options.namespace);
    if (!options.onUnreadable && unreadable[0]) throw unreadable[0];
    options.onUnreadable?.(unreadable);
    const matches = parseLabelSelector(options.labelSelector ?? '');
    const newer = new Map<T, T>();
    const unheardOf: T[] = [];
    const prefix = `${resourceName(kind)}|`;
    for (const [id, written] of this.#written) {
      if (!id.startsWith(prefix) || !isIn(written, options)) continue;
      const known = informer.get(keyOf(written));
      if (known) newer.set(known, written as T);
      else unheardOf.push(written as T);
    }
    const now = informer.list(options.namespace).map((object) => newer.get(object) ?? object);
    return [...now, ...unheardOf].filter((object) => !isGone(object) && matches(object.metadata.labels));
  }

  override async create<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    options: WriteOptions,
  ): Promise<T> {
    return this.#write(kind, keyOf(object), () => this.store.create(kind, object, options));
  }

  override async update<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    options: WriteOptions,
  ): Promise<T> {
    return this.#write(kind, keyOf(object), () => this.store.update(kind, object, options));
  }

  override async setFinalizers<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    finalizers: readonly string[],
    options: WriteOptions,
  ): Promise<T | undefined> {
    const key = keyOf(object);
    try {
      const now = await this.store.setFinalizers(kind, object, finalizers, options);
      if (now) return this.#remember(kind, now);
    } catch (error) {
      this.#doubt(kind, key);
      throw error;
    }
    this.#doubt(kind, key);
    return undefined;
  }

  override async apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    options: ApplyOptions,
  ): Promise<T> {
    return this.#write(kind, keyOf(object), () => this.store.apply(kind, object, options));
  }

  override async applyStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    status: T['status'],
    options: StatusOptions,
  ): Promise<T> {
    return this.#write(kind, key, () => this.store.applyStatus(kind, key, status, options));
  }

  override async delete<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    preconditions?: { readonly uid?: string; readonly resourceVersion?: string },
  ): Promise<void> {
    try {
      await this.store.delete(kind, key, preconditions);
    } finally {
      this.#doubt(kind, key);
    }
  }

  async #write<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    write: () => Promise<T>,
  ): Promise<T> {
    try {
      return this.#remember(kind, await write());
    } catch (error) {
      // The write was based on an old version, or was made although no answer came.
      this.#doubt(kind, key);
      throw error;
    }
  }

  #doubt(kind: ResourceKind, key: ObjectKey): void {
    if (this.#informers.has(resourceName(kind))) this.#doubts.set(nameOf(kind, key), {});
  }

  #remember<T extends KubeObject>(kind: ResourceKind<T>, object: T): T {
    const informer = this.#informers.get(resourceName(kind)) as Informer<T> | undefined;
    if (!informer) return object;
    const id = idOf(kind, object);
    const known = informer.get(keyOf(object));
    const before = this.#written.get(id);
    if (before && isOutdated(object, before)) return object;
    // An object that goes with a write keeps its version.
    const isHeard = isGone(object)
      ? known?.metadata.uid !== object.metadata.uid
      : known !== undefined && versionOf(known) >= versionOf(object);
    if (isHeard) this.#written.delete(id);
    else this.#written.set(id, object);
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

/** Returns true for an object that is being deleted and has lost its last finalizer. */
function isGone({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined && !metadata.finalizers?.length;
}

/** Answers overtake each other. */
function isOutdated(object: KubeObject, by: KubeObject): boolean {
  const [own, other] = [versionOf(object), versionOf(by)];
  if (isGone(object) && object.metadata.uid === by.metadata.uid) return false;
  return own < other || (own === other && isGone(by));
}

/**
 * Compares resourceVersions: whole numbers of any size that grow, in both stores (for Kubernetes: KEP 5504). Any other text is the
 * oldest.
 */
function versionOf({ metadata: { resourceVersion = '' } }: KubeObject): bigint {
  return /^\d+$/.test(resourceVersion) ? BigInt(resourceVersion) : 0n;
}
