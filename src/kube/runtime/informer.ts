/** Keeps a cache of one kind up to date and calls handlers for each change. */

import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { formatKey, keyOf, resourceName } from '../../apimachinery/object-key.ts';
import type { ListOptions, Store, WatchEvent } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { type IndexFunction, ObjectCache } from './cache.ts';

export interface InformerOptions extends ListOptions {
  /** Tell the handlers of every object again after this many milliseconds; 0: never. Costs no request. */
  readonly resyncMs?: number;
}

export interface Change<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'RESYNC';
  /** For DELETED the last that was seen. */
  readonly object: T;
  /** For MODIFIED what was known before. */
  readonly before?: T;
}

export type ChangeHandler<T> = (change: Change<T>) => void;

/** Keeps a copy of all objects of a kind and calls handlers for changes. One informer serves many controllers, over any store. */
export class Informer<T extends KubeObject = KubeObject> {
  readonly kind: ResourceKind<T>;
  private readonly store: Store;
  private readonly options: InformerOptions;
  private readonly log: Logger;
  private readonly cache = new ObjectCache<T>();
  private readonly handlers: ChangeHandler<T>[] = [];
  private readonly initial = Promise.withResolvers<void>();
  private isSynced = false;
  private broken: readonly UnreadableObjectError[] = [];

  constructor(store: Store, kind: ResourceKind<T>, log: Logger, options: InformerOptions = {}) {
    this.store = store;
    this.kind = kind;
    this.log = log;
    this.options = options;
  }

  /** Returns true once everything that existed at the start is known. */
  get hasSynced(): boolean {
    return this.isSynced;
  }

  /** Resolves when `hasSynced` becomes true. */
  whenSynced(): Promise<void> {
    return this.initial.promise;
  }

  get(key: ObjectKey): T | undefined {
    return this.cache.get(key);
  }

  list(namespace?: string): T[] {
    return this.cache.list(namespace);
  }

  /** Returns the objects that exist and cannot be read now; `get` and `list` may still return an earlier version of them. */
  unreadable(namespace?: string): readonly UnreadableObjectError[] {
    return this.broken.filter(({ key }) => namespace === undefined || key.namespace === namespace);
  }

  /** Adds an index for `byIndex`. Adding the same function again has no effect. */
  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    this.cache.addIndex(name, valuesOf);
  }

  byIndex(index: string, value: string): T[] {
    return this.cache.byIndex(index, value);
  }

  /** Adds a handler, and calls it for the objects that are known already. It must not block: hand the key to a queue. */
  addHandler(handler: ChangeHandler<T>): void {
    this.handlers.push(handler);
    for (const object of this.cache.list()) this.tell(handler, { type: 'ADDED', object });
  }

  /** Resolves when `signal` aborts. Rejects only when the store itself gives up. */
  async run(signal: AbortSignal): Promise<void> {
    const { namespace, labelSelector, resyncMs = 0 } = this.options;
    const resync = resyncMs > 0 ? setInterval(() => this.resync(), resyncMs) : undefined;
    try {
      const onUnreadable = (errors: readonly UnreadableObjectError[]) => this.name(errors);
      const options = { namespace, labelSelector, signal, onUnreadable };
      for await (const event of this.store.watch(this.kind, options)) {
        if (event.type === 'SYNCED') {
          this.isSynced = true;
          this.initial.resolve();
        } else {
          this.take(event);
        }
      }
    } finally {
      clearInterval(resync);
    }
  }

  /** Logs each object that cannot be read, once for as long as it cannot. */
  private name(errors: readonly UnreadableObjectError[]): void {
    const named = new Set(this.broken.map(({ message }) => message));
    this.broken = errors;
    for (const error of errors) {
      if (named.has(error.message)) continue;
      this.log.error('Object cannot be read; it is left as it is, and the others go on', { error });
    }
  }

  private take(event: Exclude<WatchEvent<T>, { type: 'SYNCED' }>): void {
    const { type, object } = event;
    let before: T | undefined;
    try {
      if (type === 'DELETED') this.cache.delete(object);
      else before = this.cache.set(object);
    } catch (error) {
      // An index function failed for this object; the other objects stay up to date.
      this.log.error('Object cannot be indexed', {
        resource: resourceName(this.kind),
        object: formatKey(keyOf(object)),
        error,
      });
    }
    for (const handler of this.handlers) this.tell(handler, { type, object, before });
  }

  private resync(): void {
    for (const object of this.cache.list()) {
      for (const handler of this.handlers) this.tell(handler, { type: 'RESYNC', object });
    }
  }

  /** A handler that throws has a bug; the other handlers and the watch go on. */
  private tell(handler: ChangeHandler<T>, change: Change<T>): void {
    try {
      handler(change);
    } catch (error) {
      this.log.error('Handler failed', { resource: resourceName(this.kind), change: change.type, error });
    }
  }
}
