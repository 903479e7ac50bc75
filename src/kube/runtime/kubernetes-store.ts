/** Stores objects in an API server. */

import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { TerminalError, TransientError } from '../../errors.ts';
import type {
  ApplyOptions,
  ListOptions,
  StatusOptions,
  Store,
  WatchEvent,
  WriteOptions,
} from '../../store/store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { ApiError, hasReason } from '../client/api-error.ts';
import type { Client } from '../client/client.ts';
import { leftFields } from './left-fields.ts';
import { mergeWatches } from './merged-watch.ts';
import { reflect } from './reflector.ts';

export interface KubernetesStoreOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** What is meant by all namespaces; undefined: all of them. */
  readonly namespaces?: readonly string[] | undefined;
}

/** Reads and writes objects of an API server. Throws `ApiError` beside the errors of `Store`; such a call can be repeated later. */
export class KubernetesStore implements Store {
  private readonly client: Client;
  private readonly log: Logger;
  private readonly metrics: Metrics;
  private readonly namespaces: readonly string[] | undefined;

  constructor(client: Client, { log, metrics, namespaces }: KubernetesStoreOptions) {
    this.client = client;
    this.log = log;
    this.metrics = metrics;
    this.namespaces = namespaces;
  }

  async get<T extends KubeObject>(kind: ResourceKind<T>, key: ObjectKey): Promise<T | undefined> {
    return this.client.get(kind, key);
  }

  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<T[]> {
    const lists = await Promise.all(
      this.scopes(kind, options).map((namespace) => this.client.list(kind, { ...options, ...namespace })),
    );
    return lists.flatMap(({ items }) => items);
  }

  watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    const { log, metrics } = this;
    const watches = this.scopes(kind, options).map((namespace) =>
      reflect(this.client, kind, { ...options, ...namespace, log, metrics }),
    );
    const [only] = watches;
    return only && watches.length === 1 ? only : mergeWatches(watches);
  }

  /** Returns the namespaces to list, one request each, where all are meant. */
  private scopes(kind: ResourceKind, { namespace }: ListOptions): readonly Pick<ListOptions, 'namespace'>[] {
    if (namespace || !kind.namespaced || !this.namespaces) return [namespace ? { namespace } : {}];
    return this.namespaces.map((one) => ({ namespace: one }));
  }

  async create<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    { fieldManager }: WriteOptions,
  ): Promise<T> {
    return this.client.create(kind, object, { fieldManager }).catch(rethrow);
  }

  async update<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    { fieldManager }: WriteOptions,
  ): Promise<T> {
    return this.client.update(kind, object, { fieldManager }).catch(rethrow);
  }

  async apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    { fieldManager, force = true }: ApplyOptions,
  ): Promise<T> {
    return this.client.apply(kind, object, { fieldManager, force }).catch(rethrow);
  }

  /** Returns the object as `apply` would leave it; the API server validates it and stores nothing. */
  async preview<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    { fieldManager, force = true }: ApplyOptions,
  ): Promise<T> {
    return this.client.apply(kind, object, { fieldManager, force, dryRun: true }).catch(rethrow);
  }

  async applyStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    status: T['status'],
    { fieldManager, force = true, resourceVersion, before }: StatusOptions,
  ): Promise<T> {
    const metadata = {
      name: key.name,
      ...(key.namespace && { namespace: key.namespace }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    };
    const object = { metadata, status } as Partial<T> & { metadata: ObjectMeta };
    const applied = await this.client.applyStatus(kind, object, { fieldManager, force }).catch(rethrow);
    const left = leftFields(before, status, applied.status);
    if (!left) return applied;
    const { uid, resourceVersion: version } = applied.metadata;
    const patch = { metadata: { uid, resourceVersion: version }, status: left };
    return this.client.patchStatus(kind, key, patch, { fieldManager }).catch(rethrow);
  }

  async delete<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    preconditions: { readonly uid?: string; readonly resourceVersion?: string } = {},
  ): Promise<void> {
    try {
      await this.client.delete(kind, key, preconditions);
    } catch (error) {
      if (!hasReason(error, 'NotFound')) rethrow(error);
    }
  }

  async setFinalizers<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    finalizers: readonly string[],
    { fieldManager }: WriteOptions,
  ): Promise<T | undefined> {
    const { uid, resourceVersion } = object.metadata;
    try {
      const patch = { metadata: { uid, resourceVersion, finalizers } };
      return await this.client.patch(kind, keyOf(object), patch, { fieldManager });
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      rethrow(error);
    }
  }
}

/** Translates an ApiError into the error that `Store` declares for it, if there is one. */
function rethrow(error: unknown): never {
  if (!(error instanceof ApiError)) throw error;
  const { message, causes } = error;
  // The server answers 500 to an apply whose fields the schema does not know or types otherwise; the field is in the text.
  const path = mistypedField(message);
  if (path !== undefined)
    throw new TerminalError({ code: 'InvalidConfiguration', message, path, cause: error });
  switch (error.code) {
    case 404:
      throw new TransientError({ code: 'NotFound', message, cause: error });
    case 409:
      throw new TransientError({ code: 'Conflict', message, cause: error, retryAfterMs: 100 });
    case 400:
    case 413:
    case 422:
      throw new TerminalError({
        code: 'InvalidConfiguration',
        message,
        path: causes[0]?.field,
        cause: error,
      });
    default:
      throw error;
  }
}

const MISTYPED = 'failed to create typed patch object ';
/** Limits the characters of a message in which a field's path is searched, and of the path. The rest may be a tenant's text. */
const MISTYPED_CHARACTERS = 2 * 1024;

/** Finds `spec.replicas` in `failed to create typed patch object (a/b; …): .spec.replicas: expected …`. */
function mistypedField(message: string): string | undefined {
  const start = message.indexOf(MISTYPED);
  if (start === -1) return undefined;
  const text = message.slice(start, start + MISTYPED_CHARACTERS);
  return /: \.([^\s:]{1,300}):/.exec(text)?.[1];
}
