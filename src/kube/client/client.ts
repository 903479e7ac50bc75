/** Sends the verbs of the Kubernetes API: get, list, watch, apply, update, patch and delete. */

import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { apiVersionOf } from '../../apimachinery/object-key.ts';
import type { ListOptions } from '../../store/store.ts';
import { jsonExcess } from '../../system/json-bounds.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import { ApiError, hasReason } from './api-error.ts';
import type { Connection } from './connection.ts';
import { OWN_SERVER_LIMITS, type ResponseLimits } from './limits.ts';
import { collectionPath, objectPath } from './resource-path.ts';
import { type ApiRequest, Transport } from './transport.ts';
import { type WatchCallEvent, watchEvents } from './watch-stream.ts';

export interface ObjectList<T> {
  readonly items: T[];
  /** A watch from here misses nothing. */
  readonly resourceVersion: string;
}

export interface ListCallOptions extends ListOptions {
  /** Kubernetes field selector, for example `spec.nodeName=a`. */
  readonly fieldSelector?: string;
  readonly signal?: AbortSignal;
}

export interface WatchCallOptions extends ListOptions {
  readonly resourceVersion: string;
  /** The server ends the watch after this many seconds. */
  readonly timeoutSeconds: number;
  readonly signal?: AbortSignal;
}

export interface WriteCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Who owns the fields that are written. Absent: named after the user agent. */
  readonly fieldManager?: string;
}

export interface ApplyCallOptions {
  readonly fieldManager: string;
  /** Take over fields of other managers. */
  readonly force: boolean;
  /** Let the server check and answer, and store nothing. */
  readonly dryRun?: boolean;
}

export interface DeleteCallOptions {
  readonly signal?: AbortSignal;
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** What becomes of the objects that this one owns. Default `Background`. */
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
}

/** Objects a request. */
const PAGE_SIZE = 500;
/** Divides the size of a page that was too large, for the next request. */
const SMALLER = 10;

/** Sends requests to one API server, typed by kind. Throws `ApiError`; its reason is NotFound for an object that is absent. */
export class Client {
  private readonly transport: Transport;
  /** Namespace of the kubeconfig's context, or of the pod. */
  readonly namespace: string;
  readonly limits: ResponseLimits;
  private readonly mayWrite: () => void;

  /** @param mayWrite called before each write; what it throws is thrown instead */
  constructor(
    connection: Connection,
    metrics: Metrics = new Metrics(),
    limits: ResponseLimits = OWN_SERVER_LIMITS,
    mayWrite = () => {},
  ) {
    this.mayWrite = mayWrite;
    this.transport = new Transport(connection, metrics, limits);
    this.namespace = connection.namespace;
    this.limits = limits;
  }

  async get<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    try {
      return await this.call<T>({ method: 'GET', path: objectPath(kind, key), signal });
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  /**
   * Returns all pages of a list, at one point in time. A page that is too large for one answer is asked for in smaller ones.
   * @throws ApiError with reason ResponseTooLarge beyond `limits`
   */
  async list<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListCallOptions = {},
  ): Promise<ObjectList<T>> {
    const { namespace, labelSelector, fieldSelector } = options;
    const inTime = AbortSignal.timeout(this.limits.requestMs);
    const signal = options.signal ? AbortSignal.any([options.signal, inTime]) : inTime;
    const path = collectionPath(kind, namespace);
    const accept = metadataAccept(kind, 'PartialObjectMetadataList');
    const items: T[] = [];
    let limit = PAGE_SIZE;
    let next: string | undefined;
    for (let pages = 1; ; ) {
      const query = { labelSelector, fieldSelector, limit, continue: next };
      let page: ListPage<T>;
      try {
        page = await this.call<ListPage<T>>({ method: 'GET', path, query, accept, signal });
      } catch (error) {
        options.signal?.throwIfAborted();
        if (inTime.aborted) throw ApiError.unreachable(`GET ${path}`, 'the API server', inTime.reason);
        if (limit === 1 || !hasReason(error, 'ResponseTooLarge')) throw error;
        limit = Math.ceil(limit / SMALLER);
        continue;
      }
      const tooMany = () =>
        ApiError.tooLarge(`GET ${path}`, `a list of more than ${this.limits.items} objects`);
      // Counts items that are dropped, too: each takes time.
      if (items.length + (page.items?.length ?? 0) > this.limits.items) throw tooMany();
      // Lists of built-in kinds leave out the type of their items.
      for (const item of page.items ?? []) {
        const typed = { ...item, apiVersion: apiVersionOf(kind), kind: kind.kind };
        const kept = kind.pick ? kind.pick(typed) : typed;
        if (kept) items.push(kept);
      }
      if (pages > this.limits.items) throw tooMany();
      next = page.metadata.continue;
      if (!next) return { items, resourceVersion: page.metadata.resourceVersion };
      pages += 1;
    }
  }

  /** Watches changes since `resourceVersion`, until the server or `signal` ends the watch. Resolves when the server has accepted it. */
  async watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: WatchCallOptions,
  ): Promise<AsyncGenerator<WatchCallEvent<T>>> {
    const { namespace, labelSelector, resourceVersion, timeoutSeconds } = options;
    // A server that never ends a watch, or a proxy whose server is gone, would show an old state for ever.
    const inTime = AbortSignal.timeout(timeoutSeconds * 1_000 + this.limits.watchOverrunMs);
    const signal = options.signal ? AbortSignal.any([options.signal, inTime]) : inTime;
    const path = collectionPath(kind, namespace);
    const query = { watch: true, allowWatchBookmarks: true, labelSelector, resourceVersion, timeoutSeconds };
    const accept = metadataAccept(kind, 'PartialObjectMetadata');
    const response = await this.transport.stream({ method: 'GET', path, query, accept, signal });
    return watchEvents(`WATCH ${path}`, response, this.limits);
  }

  /** Applies the object on the server side. Creates it if absent. */
  async apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & Pick<T, 'metadata'>,
    options: ApplyCallOptions,
  ): Promise<T> {
    return this.applyTo('', kind, object, options);
  }

  /** Applies the status subresource on the server side. The object must exist. */
  async applyStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & Pick<T, 'metadata'>,
    options: ApplyCallOptions,
  ): Promise<T> {
    return this.applyTo('/status', kind, object, options);
  }

  async create<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    options: WriteCallOptions = {},
  ): Promise<T> {
    const { signal, fieldManager } = options;
    const path = collectionPath(kind, object.metadata.namespace);
    return await this.call<T>({ method: 'POST', path, query: { fieldManager }, body: object, signal });
  }

  /** Creates a subresource of an object, for example the `eviction` of a pod. Does not repeat the request for a busy server. */
  async createIn(
    subresource: string,
    kind: ResourceKind,
    key: ObjectKey,
    body: object,
    { signal }: Pick<WriteCallOptions, 'signal'> = {},
  ): Promise<void> {
    const path = `${objectPath(kind, key)}/${subresource}`;
    await this.call({ method: 'POST', path, body, signal, once: true });
  }

  /** Replaces the object. With metadata.resourceVersion: only if nobody changed it since (else reason Conflict). */
  async update<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    options: WriteCallOptions = {},
  ): Promise<T> {
    const { signal, fieldManager } = options;
    const { namespace = '', name } = object.metadata;
    return await this.call<T>({
      method: 'PUT',
      path: objectPath(kind, { namespace, name }),
      query: { fieldManager },
      body: object,
      signal,
    });
  }

  /** Sends a JSON merge patch (RFC 7386): it replaces whole lists, and null removes a field. */
  async patch<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    patch: unknown,
    options: WriteCallOptions = {},
  ): Promise<T> {
    return this.patchOf('', kind, key, patch, options);
  }

  /** Like `patch`, for the status subresource. */
  async patchStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    patch: unknown,
    options: WriteCallOptions = {},
  ): Promise<T> {
    return this.patchOf('/status', kind, key, patch, options);
  }

  /** Like `patch`, for a subresource of any name, for example the `approval` of a certificate request. */
  async patchIn<T extends KubeObject>(
    subresource: string,
    kind: ResourceKind<T>,
    key: ObjectKey,
    patch: unknown,
    options: WriteCallOptions = {},
  ): Promise<T> {
    return this.patchOf(`/${subresource}`, kind, key, patch, options);
  }

  private async patchOf<T extends KubeObject>(
    subresource: '' | `/${string}`,
    kind: ResourceKind<T>,
    key: ObjectKey,
    patch: unknown,
    { signal, fieldManager }: WriteCallOptions,
  ): Promise<T> {
    const contentType = 'application/merge-patch+json';
    return await this.call<T>({
      method: 'PATCH',
      path: objectPath(kind, key) + subresource,
      query: { fieldManager },
      contentType,
      body: patch,
      signal,
    });
  }

  async delete(kind: ResourceKind, key: ObjectKey, options: DeleteCallOptions = {}): Promise<void> {
    const { uid, resourceVersion, propagation = 'Background', signal } = options;
    const body = { propagationPolicy: propagation, preconditions: { uid, resourceVersion } };
    this.mayWrite();
    await this.transport.send({ method: 'DELETE', path: objectPath(kind, key), body, signal });
  }

  /** Returns the text of any path that has no verb above, with its query, for example `/readyz?verbose`. */
  async raw(method: 'GET' | 'POST', pathAndQuery: string, body?: unknown): Promise<string> {
    const [path = '', ...query] = pathAndQuery.split('?');
    return this.transport.send({
      method,
      path,
      query: Object.fromEntries(new URLSearchParams(query.join('?'))),
      body,
    });
  }

  close(): void {
    this.transport.close();
  }

  private async call<T>(request: ApiRequest): Promise<T> {
    if (request.method !== 'GET') this.mayWrite();
    const text = await this.transport.send(request);
    const { bodyValues: values } = this.limits;
    if (Number.isFinite(values) && jsonExcess(text, { depth: Number.POSITIVE_INFINITY, values }))
      throw ApiError.tooLarge(`${request.method} ${request.path}`, `an answer of more than ${values} values`);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw ApiError.unreadable(`${request.method} ${request.path}`, error);
    }
  }

  private async applyTo<T extends KubeObject>(
    subresource: '' | '/status',
    kind: ResourceKind<T>,
    object: Partial<T> & Pick<T, 'metadata'>,
    { fieldManager, force, dryRun = false }: ApplyCallOptions,
  ): Promise<T> {
    const { namespace = '', name } = object.metadata;
    return await this.call<T>({
      method: 'PATCH',
      path: objectPath(kind, { namespace, name }) + subresource,
      query: { fieldManager, force, fieldValidation: 'Strict', ...(dryRun && { dryRun: 'All' }) },
      contentType: 'application/apply-patch+yaml', // Every JSON text is YAML.
      body: { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind },
    });
  }
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables (PartialObjectMetadata) */
function metadataAccept(kind: ResourceKind, as: string): string | undefined {
  return kind.metadataOnly ? `application/json;as=${as};g=meta.k8s.io;v=v1` : undefined;
}

interface ListPage<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[] | null;
}
