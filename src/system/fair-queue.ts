/** Which items take turns with each other. */
export interface Flow {
  /** Groups take turns first, for example namespaces: a tenant of many flows gets no more turns than one of a single one. */
  readonly group: string;
  /** Then the flows of a group do. */
  readonly name: string;
}

/**
 * Items that wait for their turn. Groups take turns, and within a group its flows, each in its own order. So a thousand items of one
 * flow delay an item of another by one.
 */
export class FairQueue<T> {
  /** In the order of their turns: flows by group, items by flow. */
  readonly #groups = new Map<string, Map<string, T[]>>();

  add(item: T, { group, name }: Flow): void {
    let flows = this.#groups.get(group);
    if (!flows) {
      flows = new Map();
      this.#groups.set(group, flows);
    }
    const waiting = flows.get(name);
    if (waiting) waiting.push(item);
    else flows.set(name, [item]);
  }

  /** Returns the next item; a flow whose first one may not go yet is passed over. */
  take(mayGo: (item: T) => boolean = () => true): T | undefined {
    for (const [group, flows] of this.#groups) {
      for (const [name, waiting] of flows) {
        const [first] = waiting;
        if (first === undefined || !mayGo(first)) continue;
        waiting.shift();
        flows.delete(name);
        if (waiting.length > 0) flows.set(name, waiting);
        this.#groups.delete(group);
        if (flows.size > 0) this.#groups.set(group, flows);
        return first;
      }
    }
    return undefined;
  }

  clear(): void {
    this.#groups.clear();
  }
}
