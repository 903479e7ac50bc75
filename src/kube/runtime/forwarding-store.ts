/** A store that passes everything on to another one: the base of stores that change some of it on its way. */

import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import type {
  ApplyOptions,
  GetOptions,
  ListOptions,
  StatusOptions,
  Store,
  WatchEvent,
  WriteOptions,
} from '../../store/store.ts';

export class ForwardingStore implements Store {
  protected readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  get<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    options?: GetOptions,
  ): Promise<T | undefined> {
    return this.store.get(kind, key, options);
  }

  list<T extends KubeObject>(kind: ResourceKind<T>, options?: ListOptions): Promise<T[]> {
    return this.store.list(kind, options);
  }

  watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    return this.store.watch(kind, options);
  }

  create<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions): Promise<T> {
    return this.store.create(kind, object, options);
  }

  update<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions): Promise<T> {
    return this.store.update(kind, object, options);
  }

  setFinalizers<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    finalizers: readonly string[],
    options: WriteOptions,
  ): Promise<T | undefined> {
    return this.store.setFinalizers(kind, object, finalizers, options);
  }

  apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    options: ApplyOptions,
  ): Promise<T> {
    return this.store.apply(kind, object, options);
  }

  applyStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    status: T['status'],
    options: StatusOptions,
  ): Promise<T> {
    return this.store.applyStatus(kind, key, status, options);
  }

  delete<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    preconditions?: { readonly uid?: string; readonly resourceVersion?: string },
  ): Promise<void> {
    return this.store.delete(kind, key, preconditions);
  }
}
