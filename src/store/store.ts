/**
 * What a controller needs of a place that keeps objects. Two implementations: `LocalStore` (a directory) and
 * `KubernetesStore` (an API server). Semantics are those of the Kubernetes API: optimistic concurrency by
 * resourceVersion, finalizers, owner references, server-side apply with a field manager.
 */

import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../apimachinery/object.ts';
import type { UnreadableObjectError } from './unreadable-object.ts';

export interface ListOptions {
  readonly namespace?: string;
  /** Kubernetes label selector, for example `a=b,c in (d,e)`. */
  readonly labelSelector?: string;
  /**
   * Told of all objects that exist and cannot be read, of a namespace if one is given, also if there are none; a list is then of
   * the others. Absent, a list throws `UnreadableObjectError` for the first: who takes what is not listed for gone must not leave one out.
   */
  readonly onUnreadable?: (errors: readonly UnreadableObjectError[]) => void;
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  /** All that existed when the watch began has been delivered. */
  | { readonly type: 'SYNCED' };

export interface GetOptions {
  /** Reads the object as it is stored now, past any cache: for callers that create or remove something because of the answer. */
  readonly fresh?: boolean;
}

export interface WriteOptions {
  /** Who owns the fields that are written. */
  readonly fieldManager: string;
}

/** Fields that the same manager applied before and now leaves out are removed. */
export interface ApplyOptions extends WriteOptions {
  /** Take over fields of other managers (default true). */
  readonly force?: boolean;
  /** Put an object that cannot be read aside, and make it new. Default: `UnreadableObjectError`. */
  readonly replaceUnreadable?: boolean;
}

export interface StatusOptions extends ApplyOptions {
  /** Requires that the object still has this version: else `TransientError` Conflict. Absent: any version is accepted. */
  readonly resourceVersion?: string | undefined;
  /** The status as it was read: fields that are left out now are removed, whatever wrote them (a restored backup, a person). */
  readonly before?: unknown;
}

/**
 * Errors: `TransientError` code Conflict for a stale resourceVersion or uid, ObjectUnreadable for a broken file (which is no deletion),
 * `Terminal` InvalidConfiguration for a refused object.
 */
export interface Store {
  get<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    options?: GetOptions,
  ): Promise<T | undefined>;
  list<T extends KubeObject>(kind: ResourceKind<T>, options?: ListOptions): Promise<T[]>;
  /** Ends when `signal` aborts. Delivers what exists, then SYNCED, then changes. */
  watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>>;
  /** Makes the object. `TransientError` Conflict if one of that name exists: nothing of it is changed. */
  create<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions): Promise<T>;
  /**
   * Replaces metadata (labels, annotations, finalizers, ownerReferences) and spec, whatever applied them; leaves the status
   * alone. `object` is what was read, with changes: if it changed since or is gone, `TransientError` Conflict. For controllers
   * that take away what others gave, which server-side apply cannot.
   */
  update<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions): Promise<T>;
  /**
   * Replaces the finalizers, whatever set them, and nothing else. `object` is what was read: if it changed since, `TransientError`
   * Conflict. Returns the object as it is then; undefined if it is gone.
   */
  setFinalizers<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    finalizers: readonly string[],
    options: WriteOptions,
  ): Promise<T | undefined>;
  /** Server-side apply of metadata (labels, annotations, finalizers, ownerReferences) and spec. Creates the object if absent. */
  apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    options: ApplyOptions,
  ): Promise<T>;
  /** Replaces the field manager's part of `status`, and with `before` takes away what others own. */
  applyStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    status: T['status'],
    options: StatusOptions,
  ): Promise<T>;
  /** With finalizers left: sets deletionTimestamp. Without: removes. Deleting what is absent is no error. */
  delete<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    preconditions?: { readonly uid?: string; readonly resourceVersion?: string },
  ): Promise<void>;
}
