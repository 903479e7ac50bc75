/** Keeps the objects of one kind in memory, with indexes. */

import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { formatKey, keyOf } from '../../apimachinery/object-key.ts';

/** Returns the values under which an object is found, for example the names of the Secrets that it refers to. */
export type IndexFunction<T> = (object: T) => readonly string[];

interface Index<T> {
  readonly valuesOf: IndexFunction<T>;
  /** By value: keys of objects. */
  readonly keys: Map<string, Set<string>>;
}

/** Holds the known objects of a kind, frozen: copy an object to change it. */
export class ObjectCache<T extends KubeObject> {
  private readonly objects = new Map<string, T>();
  private readonly indexes = new Map<string, Index<T>>();

  /** Adds an index. Throws for a second function of the same name; adding the same function again has no effect. */
  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    const known = this.indexes.get(name);
    if (known?.valuesOf === valuesOf) return;
    if (known) throw new Error(`there is another index named ${name}`);
    const index = { valuesOf, keys: new Map<string, Set<string>>() };
    this.indexes.set(name, index);
    for (const [key, object] of this.objects) addTo(index, key, object);
  }

  get size(): number {
    return this.objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.objects.get(formatKey(key));
  }

  /** Returns all objects, or those of a namespace. */
  list(namespace?: string): T[] {
    const all = [...this.objects.values()];
    return namespace ? all.filter((object) => object.metadata.namespace === namespace) : all;
  }

  /** Returns the objects for which the index function gave that value. */
  byIndex(index: string, value: string): T[] {
    const known = this.indexes.get(index);
    if (!known) throw new Error(`no index named ${index}; there are: ${[...this.indexes.keys()].join(', ')}`);
    return [...(known.keys.get(value) ?? [])].flatMap((key) => this.objects.get(key) ?? []);
  }

  /** Returns what was there before. */
  set(object: T): T | undefined {
    const key = formatKey(keyOf(object));
    const before = this.objects.get(key);
    if (before) this.unindex(key, before);
    this.objects.set(key, deepFreeze(object));
    for (const index of this.indexes.values()) addTo(index, key, object);
    return before;
  }

  delete(object: T): void {
    const key = formatKey(keyOf(object));
    const before = this.objects.get(key);
    if (before) this.unindex(key, before);
    this.objects.delete(key);
  }

  private unindex(key: string, object: T): void {
    for (const { valuesOf, keys } of this.indexes.values()) {
      for (const value of valuesOf(object)) {
        keys.get(value)?.delete(key);
        if (keys.get(value)?.size === 0) keys.delete(value);
      }
    }
  }
}

function addTo<T>({ valuesOf, keys }: Index<T>, key: string, object: T): void {
  for (const value of valuesOf(object)) {
    const known = keys.get(value);
    if (known) known.add(key);
    else keys.set(value, new Set([key]));
  }
}

/**
 * Freezes an object with everything in it. An accidental change of a cached object would be seen by every controller; a TypeError
 * is seen by the author of the change.
 */
function deepFreeze<V>(value: V): V {
  const left: unknown[] = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one !== 'object' || one === null || Object.isFrozen(one)) continue;
    Object.freeze(one);
    for (const child of Object.values(one)) left.push(child);
  }
  return value;
}
