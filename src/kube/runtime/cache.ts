import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { formatKey, keyOf } from '../../apimachinery/object-key.ts';

/** Values under which an object is found, for example the names of the Secrets that it refers to. */
export type IndexFunction<T> = (object: T) => readonly string[];

/** What is known of a kind. The objects are frozen: who wants to change one copies it. */
export class ObjectCache<T extends KubeObject> {
  private readonly objects = new Map<string, T>();
  private readonly indexFunctions: Readonly<Record<string, IndexFunction<T>>>;
  /** By index, by value: keys of objects. */
  private readonly indexes = new Map<string, Map<string, Set<string>>>();

  constructor(indexes: Readonly<Record<string, IndexFunction<T>>> = {}) {
    this.indexFunctions = indexes;
    for (const name of Object.keys(indexes)) this.indexes.set(name, new Map());
  }

  get size(): number {
    return this.objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.objects.get(formatKey(key));
  }

  /** All objects, or those of a namespace. */
  list(namespace?: string): T[] {
    const all = [...this.objects.values()];
    return namespace ? all.filter((object) => object.metadata.namespace === namespace) : all;
  }

  /** Objects for which the index function gave that value. */
  byIndex(index: string, value: string): T[] {
    const values = this.indexes.get(index);
    if (!values)
      throw new Error(`no index named ${index}; there are: ${[...this.indexes.keys()].join(', ')}`);
    return [...(values.get(value) ?? [])].flatMap((key) => this.objects.get(key) ?? []);
  }

  /** Returns what was there before. */
  set(object: T): T | undefined {
    const key = formatKey(keyOf(object));
    const before = this.objects.get(key);
    if (before) this.unindex(key, before);
    this.objects.set(key, deepFreeze(object));
    for (const [name, values] of this.indexes) {
      for (const value of this.indexFunctions[name]?.(object) ?? []) {
        const keys = values.get(value);
        if (keys) keys.add(key);
        else values.set(value, new Set([key]));
      }
    }
    return before;
  }

  delete(object: T): void {
    const key = formatKey(keyOf(object));
    const before = this.objects.get(key);
    if (before) this.unindex(key, before);
    this.objects.delete(key);
  }

  private unindex(key: string, object: T): void {
    for (const [name, values] of this.indexes) {
      for (const value of this.indexFunctions[name]?.(object) ?? []) {
        const keys = values.get(value);
        keys?.delete(key);
        if (keys?.size === 0) values.delete(value);
      }
    }
  }
}

/**
 * Freezes an object with all in it, however deep. A cached object that is changed by accident is seen by every controller; a TypeError
 * is seen by its author.
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
