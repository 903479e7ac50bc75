/**
 * Serves kinds that the API server may not have yet. Until it has them, their watches deliver nothing and lists are empty; reading a
 * single object fails, since nothing is known of it.
 */

import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { formatKey, resourceName } from '../../apimachinery/object-key.ts';
import { TransientError } from '../../errors.ts';
import type { GetOptions, ListOptions, Store, WatchEvent } from '../../store/store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { ForwardingStore } from './forwarding-store.ts';
import { NO_COUNTS_MS, rememberServed, untilServed } from './served.ts';

export interface LateKindsStoreOptions {
  readonly store: Store;
  /** Kinds that may be missing at first; all others count as served. */
  readonly kinds: readonly ResourceKind[];
  /** Whether the API server has all of these kinds. Throws while that cannot be found out. */
  readonly serves: (kinds: readonly ResourceKind[]) => Promise<boolean>;
  /** For watches. */
  readonly log?: Logger;
}

export class LateKindsStore extends ForwardingStore {
  readonly #log: Logger | undefined;
  /** By resource. */
  readonly #served: ReadonlyMap<string, () => Promise<boolean>>;

  constructor({ store, kinds, serves, log }: LateKindsStoreOptions) {
    super(store);
    this.#log = log;
    this.#served = new Map(kinds.map((kind) => [resourceName(kind), rememberServed(() => serves([kind]))]));
  }

  override async get<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    options?: GetOptions,
  ): Promise<T | undefined> {
    if (await this.#serves(kind)) return super.get(kind, key, options);
    throw new TransientError({
      code: 'NotFound',
      message: `${kind.kind} ${formatKey(key)} cannot be read: its kind is not served`,
      fix: `install the CustomResourceDefinition ${resourceName(kind)}`,
      retryAfterMs: NO_COUNTS_MS,
    });
  }

  override async list<T extends KubeObject>(kind: ResourceKind<T>, options?: ListOptions): Promise<T[]> {
    return (await this.#serves(kind)) ? super.list(kind, options) : [];
  }

  override watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    return this.#served.has(resourceName(kind)) ? this.#watch(kind, options) : super.watch(kind, options);
  }

  async *#watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<T>> {
    const { signal } = options;
    const resource = resourceName(kind);
    const onError = (error: unknown) =>
      this.#log?.warn('Could not find out whether a kind is served, trying again', { resource, error });
    let isSynced = false;
    for await (const _ of untilServed(() => this.#serves(kind), { signal, onError })) {
      if (isSynced) continue;
      isSynced = true;
      this.#log?.info('Kind is not served, waiting for it', { resource });
      yield { type: 'SYNCED' };
    }
    if (signal.aborted) return;
    for await (const event of super.watch(kind, options)) {
      if (event.type !== 'SYNCED' || !isSynced) yield event;
    }
  }

  #serves(kind: ResourceKind): Promise<boolean> {
    return this.#served.get(resourceName(kind))?.() ?? Promise.resolve(true);
  }
}
