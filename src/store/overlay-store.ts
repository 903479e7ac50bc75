/** Presents a store as it would be once some objects were applied, for previews. Read-only. */

import { parseLabelSelector } from '../apimachinery/label-selector.ts';
import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../apimachinery/object.ts';
import { formatKey, keyOf } from '../apimachinery/object-key.ts';
import type { ApplyOptions, ListOptions, Store, WatchEvent } from './store.ts';

/** What an overlay lies on. */
export interface OverlayBase extends Store {
  /** See installation.ts. */
  readonly installation: string;
  /** The uid that an object of this name will have once it is applied. */
  uidOf(kind: ResourceKind, key: ObjectKey): string;
  /** The object as `apply` would leave it, with what other field managers have in it. Stores nothing. Throws what `apply` throws. */
  preview<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    options: ApplyOptions,
  ): Promise<T>;
}

export class OverlayStore implements Store {
  readonly #base: OverlayBase;
  readonly #objects: readonly KubeObject[];

  /** `objects`: of any kind; each with the namespace it is to be in. */
  constructor(base: OverlayBase, objects: readonly KubeObject[]) {
    this.#base = base;
    this.#objects = objects;
  }

  get installation(): string {
    return this.#base.installation;
  }

  uidOf(kind: ResourceKind, key: ObjectKey): string {
    return this.#base.uidOf(kind, key);
  }

  async get<T extends KubeObject>(kind: ResourceKind<T>, key: ObjectKey): Promise<T | undefined> {
    return this.#over(kind, key, await this.#base.get(kind, key));
  }

  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<T[]> {
    const { labelSelector, ...rest } = options;
    const { namespace } = rest;
    const matches = parseLabelSelector(labelSelector ?? '');
    const there = await this.#base.list(kind, rest);
    const byKey = new Map<string, { readonly key: ObjectKey; readonly there?: T }>(
      there.map((object) => [formatKey(keyOf(object)), { key: keyOf(object), there: object }]),
    );
    for (const object of this.#objects) {
      const key = keyOf(object);
      const isAsked = object.kind === kind.kind && (namespace === undefined || key.namespace === namespace);
      if (isAsked && !byKey.has(formatKey(key))) byKey.set(formatKey(key), { key });
    }
    return [...byKey.values()]
      .flatMap((one) => this.#over(kind, one.key, one.there) ?? [])
      .filter((object) => matches(object.metadata.labels));
  }

  #over<T extends KubeObject>(kind: ResourceKind<T>, key: ObjectKey, there: T | undefined): T | undefined {
    const over = this.#objects.find(
      (object) =>
        object.kind === kind.kind &&
        object.metadata.name === key.name &&
        object.metadata.namespace === key.namespace,
    );
    if (!over) return there;
    const spec = { ...(over.spec as object), ...providerIDOf(there) };
    const metadata = {
      uid: this.#base.uidOf(kind, key),
      // Younger than all that is there: which of several Clusters owns a network goes by age.
      creationTimestamp: new Date().toISOString(),
      ...there?.metadata,
      ...over.metadata,
    };
    return { ...there, ...over, metadata, ...(over.spec === undefined ? {} : { spec }) } as unknown as T;
  }

  watch<T extends KubeObject>(): AsyncIterable<WatchEvent<T>> {
    throw readOnly();
  }

  create(): Promise<never> {
    throw readOnly();
  }

  update(): Promise<never> {
    throw readOnly();
  }

  setFinalizers(): Promise<never> {
    throw readOnly();
  }

  apply(): Promise<never> {
    throw readOnly();
  }

  applyStatus(): Promise<never> {
    throw readOnly();
  }

  delete(): Promise<never> {
    throw readOnly();
  }
}

/** The controller's own field of a Machine's spec, which no manifest has. */
function providerIDOf(object: KubeObject | undefined): object {
  const id = (object?.spec as { providerID?: string } | undefined)?.providerID;
  return id === undefined ? {} : { providerID: id };
}

function readOnly(): Error {
  return new Error('an overlay is read-only');
}
