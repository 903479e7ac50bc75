/** Keeps one warm provider process for each host. */

import { ProviderProcess } from './process.ts';

/** It starts within 10 ms, and a machine that is made or deleted has all its runs within minutes. */
const IDLE_MS = 10 * 60_000;

/** The warm providers: one process for each key. Key: libvirt URI (and whatever else its credentials depend on). */
export class ProviderPool {
  readonly #executable: () => Promise<string>;
  readonly #hosts = new Map<string, Promise<ProviderProcess>>();
  readonly #released = new Set<Promise<void>>();
  /** By key. */
  readonly #idle = new Map<string, NodeJS.Timeout>();
  readonly #idleMs: number;
  #restarts = 0;

  /**
   * @param executable finds the provider; called once for each start
   * @param options.idleMs a provider that no run has asked for in this time ends. Default ten minutes
   */
  constructor(executable: () => Promise<string>, { idleMs = IDLE_MS } = {}) {
    this.#executable = executable;
    this.#idleMs = idleMs;
  }

  /** Providers that serve runs now. */
  get size(): number {
    return this.#hosts.size;
  }

  /** How many were given up for a new one: they ended, hung, or had lost libvirt. */
  get restarts(): number {
    return this.#restarts;
  }

  /** The running provider of `key`, started if there is none or it has ended. */
  async get(key: string): Promise<ProviderProcess> {
    this.#expectIdle(key);
    const known = this.#hosts.get(key);
    if (known !== undefined) {
      const host = await known;
      if (host.alive) return host;
      if (this.#hosts.get(key) === known) this.#replace(key, host);
    }
    return this.#hosts.get(key) ?? this.#start(key);
  }

  /**
   * The next run of `key` gets a new provider; runs in progress keep the old one, which ends with them. With `host`: only
   * if that one still is the current one, so that many who saw it fail replace it once.
   */
  async restart(key: string, host?: ProviderProcess): Promise<void> {
    // One that could not be started is no longer there when this is asked again.
    const current = await this.#hosts.get(key)?.catch(() => undefined);
    if (current === undefined || (host !== undefined && current !== host)) return;
    this.#replace(key, current);
  }

  /** Lets go of the provider of `key`, which nobody needs any more; it ends with its last run. */
  async release(key: string): Promise<void> {
    const host = await this.#hosts.get(key)?.catch(() => undefined);
    if (host) this.#forget(key, host);
  }

  /** Lets go of all providers and waits until they have ended. */
  async close(): Promise<void> {
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    const hosts = [...this.#hosts];
    await Promise.allSettled(hosts.map(async ([key, host]) => this.#forget(key, await host)));
    await Promise.all(this.#released);
  }

  #expectIdle(key: string): void {
    clearTimeout(this.#idle.get(key));
    this.#idle.set(key, setTimeout(() => void this.#endIdle(key), this.#idleMs).unref());
  }

  async #endIdle(key: string): Promise<void> {
    const host = await this.#hosts.get(key)?.catch(() => undefined);
    if (host?.isBusy) return this.#expectIdle(key);
    this.#idle.delete(key);
    if (host) this.#forget(key, host);
  }

  #start(key: string): Promise<ProviderProcess> {
    const starting = this.#executable().then((executable) => ProviderProcess.start(executable));
    this.#hosts.set(key, starting);
    starting.catch(() => {
      if (this.#hosts.get(key) === starting) this.#hosts.delete(key);
    });
    return starting;
  }

  #replace(key: string, host: ProviderProcess): void {
    this.#restarts += 1;
    this.#forget(key, host);
  }

  #forget(key: string, host: ProviderProcess): void {
    this.#hosts.delete(key);
    const ended = host.release();
    this.#released.add(ended);
    void ended.then(() => this.#released.delete(ended));
  }
}
