/**
 * Keeps a copy of the domains of one host up to date: libvirt's events report changes at once, and a periodic sweep over all domains
 * finds what events do not report (a new size, a lease). So observing a machine that did not change costs no process.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { DomainObservation } from './domain.ts';
import type { DomainEvent } from './events.ts';
import type { Libvirt } from './libvirt.ts';
import { LibvirtError } from './libvirt-error.ts';

export interface HostWatchOptions {
  readonly libvirt: Pick<Libvirt, 'domains' | 'events'>;
  /** A domain of this name was created, removed or changed. */
  readonly onChange: (domain: string) => void;
  /** The host has become reachable, or unreachable. */
  readonly onConnection: (error: LibvirtError | undefined) => void;
  /** Called once for each domain that cannot be read, and for each sweep that failed for another reason than libvirt. */
  readonly onError?: (error: unknown) => void;
  /** Called after each failed attempt to connect, after `onConnection`. */
  readonly onFailure?: () => void;
  /** Time between two sweeps. Default one minute. */
  readonly sweepMs?: number;
}

const SWEEP_MS = 60_000;
/** Limits a sweep, which takes longer than a single answer on a host with many domains. */
const SWEEP_TIMEOUT_MS = 60_000;

export class HostWatch {
  readonly #options: HostWatchOptions;
  /** As at the last sweep. */
  #domains = new Map<string, DomainObservation>();
  /** Domains that changed since, or during the sweep, each with its last change. */
  readonly #changed = new Map<string, { readonly isDefined: boolean }>();
  /** Names of domains that were there at the last sweep, and could not be read. */
  #unreadable: ReadonlySet<string> = new Set();
  #isCurrent = false;
  #sweeps = 0;
  #isSweeping = false;
  #sweeping: Promise<void> = Promise.resolve();
  #lost: LibvirtError | undefined;
  #isReachable: boolean | undefined;

  constructor(options: HostWatchOptions) {
    this.#options = options;
  }

  /** Returns why the host cannot be reached; undefined: it can, as far as is known. */
  get lost(): LibvirtError | undefined {
    return this.#lost;
  }

  /** Undefined: not known yet. */
  get isReachable(): boolean | undefined {
    return this.#isReachable;
  }

  /** Returns all domains of the host at the last sweep, also those that no Machine owns. */
  get size(): number {
    return this.#domains.size + this.#unreadable.size;
  }

  /** Returns the domains of the last sweep whose definition could not be read. */
  get unreadable(): number {
    return this.#unreadable.size;
  }

  /**
   * Returns the observed domain; undefined: libvirt has to be asked. That is also the result for a domain that does not exist, and for
   * one that runs without an address, since no event reports a lease.
   */
  domain(name: string): DomainObservation | undefined {
    if (!this.#isCurrent || this.#changed.has(name)) return undefined;
    const known = this.#domains.get(name);
    return known?.state === 'running' && known.addresses.length === 0 ? undefined : known;
  }

  /** Returns whether there is a domain of this name; undefined: not known until the next sweep. */
  has(name: string): boolean | undefined {
    if (!this.#isCurrent) return undefined;
    return this.#changed.get(name)?.isDefined ?? (this.#domains.has(name) || this.#unreadable.has(name));
  }

  /**
   * Returns a function that takes the answer to a direct question about a domain into the copy, unless the domain has changed since
   * this call. So call it before libvirt is asked, and its result with the answer.
   */
  looking(name: string): (found: DomainObservation) => void {
    const [change, sweeps] = [this.#changed.get(name), this.#sweeps];
    if (this.#isSweeping) return () => {};
    return (found) => {
      if (!this.#isCurrent || this.#sweeps !== sweeps || this.#changed.get(name) !== change) return;
      this.#domains.set(name, found);
      this.#changed.delete(name);
    };
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const stopped = new AbortController();
    const both = AbortSignal.any([signal, stopped.signal]);
    const sweeping = this.#sweepNowAndThen(both);
    try {
      for await (const event of this.#options.libvirt.events(signal)) await this.#see(event, both);
    } finally {
      stopped.abort();
      await sweeping;
    }
  }

  async #see(event: DomainEvent, signal: AbortSignal): Promise<void> {
    switch (event.kind) {
      case 'connected':
        this.#lost = undefined;
        this.#isReachable = true;
        // Reported once the copy is there: many callers may read it at once.
        void this.#sweep(signal)
          .then(() => this.#options.onConnection(undefined))
          .catch((error: unknown) => this.#options.onError?.(error));
        break;
      case 'disconnected': {
        const isNews = this.#lost === undefined;
        this.#isCurrent = false;
        this.#lost = event.error;
        this.#isReachable = false;
        if (isNews) this.#options.onConnection(event.error);
        this.#options.onFailure?.();
        break;
      }
      case 'lifecycle':
        this.#changed.set(event.domain, { isDefined: event.change !== 'undefined' });
        this.#options.onChange(event.domain);
    }
  }

  async #sweepNowAndThen(signal: AbortSignal): Promise<void> {
    const everyMs = this.#options.sweepMs ?? SWEEP_MS;
    while (!signal.aborted) {
      await sleep(everyMs * (0.9 + 0.2 * Math.random()), undefined, { signal }).catch(() => {});
      if (!signal.aborted && this.#lost === undefined) await this.#sweep(signal);
    }
  }

  /** Sweeps one at a time: two at once would each report the other's observations as changes. */
  #sweep(signal: AbortSignal): Promise<void> {
    this.#sweeping = this.#sweeping
      .then(() => this.#look(signal))
      .catch((error: unknown) => this.#options.onError?.(error));
    return this.#sweeping;
  }

  async #look(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    // The sweep observes these; it may observe later changes before or after they happen.
    const changed = new Map(this.#changed);
    this.#sweeps += 1;
    this.#isSweeping = true;
    try {
      const unreadable = new Map<string, LibvirtError>();
      const found = await this.#options.libvirt.domains({
        signal,
        timeoutMs: SWEEP_TIMEOUT_MS,
        onUnreadable: (error, name) => unreadable.set(name, error),
      });
      if (this.#lost !== undefined) return;
      for (const [name, error] of unreadable) if (!this.#unreadable.has(name)) this.#options.onError?.(error);
      this.#unreadable = new Set(unreadable.keys());
      const before = this.#domains;
      this.#domains = new Map(found.map((domain) => [domain.name, domain]));
      this.#isCurrent = true;
      for (const [name, change] of changed) {
        if (this.#changed.get(name) === change) this.#changed.delete(name);
      }
      for (const name of new Set([...before.keys(), ...this.#domains.keys()])) {
        if (JSON.stringify(before.get(name)) !== JSON.stringify(this.#domains.get(name))) {
          this.#options.onChange(name);
        }
      }
    } catch (error) {
      this.#isCurrent = false;
      // Events report a lost connection; after any other failure libvirt is asked directly until the next sweep.
      if (!signal.aborted && !(error instanceof LibvirtError)) throw error;
    } finally {
      this.#isSweeping = false;
    }
  }
}
