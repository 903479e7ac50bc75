/**
 * What waits its turn, in flows: the flows take turns, each in its own order. So a thousand items of one flow delay an item
 * of another by one.
 */
export class FairQueue<T> {
  /** In the order of their turns. */
  readonly #flows = new Map<string, T[]>();

  add(item: T, flow: string): void {
    const waiting = this.#flows.get(flow);
    if (waiting) waiting.push(item);
    else this.#flows.set(flow, [item]);
  }

  /** The next item; a flow whose first one may not go yet is passed over. */
  take(mayGo: (item: T) => boolean = () => true): T | undefined {
    for (const [flow, waiting] of this.#flows) {
      const [first] = waiting;
      if (first === undefined || !mayGo(first)) continue;
      waiting.shift();
      this.#flows.delete(flow);
      if (waiting.length > 0) this.#flows.set(flow, waiting);
      return first;
    }
    return undefined;
  }

  /** How many items wait, by flow; none for a flow in which nothing waits. */
  lengths(): ReadonlyMap<string, number> {
    return new Map([...this.#flows].map(([flow, waiting]) => [flow, waiting.length]));
  }

  clear(): void {
    this.#flows.clear();
  }
}
