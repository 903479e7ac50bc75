/** A store as it would be once some objects were applied, for looking ahead. Read-only. */

import { parseLabelSelector } from '../apimachinery/label-selector.ts';
import type { KubeObject, ObjectKey, ResourceKind } from '../apimachinery/object.ts';
import type { ListOptions, Store, WatchEvent } from './store.ts';

/** What an overlay lies on. */
export interface OverlayBase extends Store {
  /** See installation.ts. */
  readonly installation: string;
  /** The uid that an object of this name will have once it is applied. */
  uidOf(kind: ResourceKind, key: ObjectKey): string;
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

  async get<T extends KubeObject>(kind: ResourceKind<T>, key: ObjectKey): Promise<T | undefined> {
    const there = await this.#base.get(kind, key);
    const over = this.#objects.find(
      (object) =>
        object.kind === kind.kind &&
        object.metadata.name === key.name &&
        object.metadata.namespace === key.namespace,
    );
    if (!over) return there;
    const spec = { ...(over.spec as object), ...providerIDOf(there) };
    const metadata = { uid: this.#base.uidOf(kind, key), ...there?.metadata, ...over.metadata };
    return { ...there, ...over, metadata, ...(over.spec === undefined ? {} : { spec }) } as unknown as T;
  }

  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<T[]> {
    const matches = parseLabelSelector(options.labelSelector ?? '');
    const there = await this.#base.list(
      kind,
      options.namespace === undefined ? {} : { namespace: options.namespace },
    );
    const keys = new Map(
      [...there, ...this.#objects.filter((object) => object.kind === kind.kind)]
        .map(({ metadata }) => ({ namespace: metadata.namespace ?? 'default', name: metadata.name }))
        .filter((key) => options.namespace === undefined || key.namespace === options.namespace)
        .map((key) => [`${key.namespace}/${key.name}`, key]),
    );
    const objects = await Promise.all([...keys.values()].map((key) => this.get(kind, key)));
    return objects
      .filter((object) => object !== undefined)
      .filter((object) => matches(object.metadata.labels));
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
  return new Error('an overlay is only looked at');
}
