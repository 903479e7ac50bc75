/**
 * A picture of one host that keeps itself up to date: libvirt's events tell what changed at once, and a sweep over all
 * domains in a while what events do not tell (a new size, a lease). So looking at a machine that did not change costs no process.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { DomainObservation } from './domain.ts';
import type { DomainEvent } from './events.ts';
import type { Libvirt } from './libvirt.ts';
import { LibvirtError } from './libvirt-error.ts';

export interface HostWatchOptions {
  readonly libvirt: Pick<Libvirt, 'domains' | 'events'>;
  /** A domain of this name came, went, or is not as it was. */
  readonly onChange: (domain: string) => void;
  /** The host came (back), or is lost. */
  readonly onConnection: (error: LibvirtError | undefined) => void;
  /** Called once for a domain that cannot be read, and once for each failure of a sweep that is no failure of libvirt. */
  readonly onError?: (error: unknown) => void;
  /** Each time that the host was tried in vain, when `onConnection` has been told. */
  readonly onFailure?: () => void;
  /** Time between two sweeps. Default one minute. */
  readonly sweepMs?: number;
}

const SWEEP_MS = 60_000;
/** A host of many domains takes longer for a sweep than for a single answer. */
const SWEEP_TIMEOUT_MS = 60_000;

export class HostWatch {
  readonly #options: HostWatchOptions;
  /** As at the last sweep. */
  #domains = new Map<string, DomainObservation>();
  /** Changed since, or while the sweep was under way; the last change of each, by which it is known. */
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

  /** Why the host cannot be reached; undefined: it can, as far as is known. */
  get lost(): LibvirtError | undefined {
    return this.#lost;
  }

  /** Undefined: nobody knows yet. */
  get isReachable(): boolean | undefined {
    return this.#isReachable;
  }

  /** Domains of the host at the last sweep, also those of others. */
  get size(): number {
    return this.#domains.size + this.#unreadable.size;
  }

  /** Domains of the last sweep of which the definition could not be read. */
  get unreadable(): number {
    return this.#unreadable.size;
  }

  /**
   * The domain as it is; undefined: ask libvirt itself. That is also the answer for a domain that is not there, and for one
   * that runs without an address, since no event tells of a lease.
   */
  domain(name: string): DomainObservation | undefined {
    if (!this.#isCurrent || this.#changed.has(name)) return undefined;
    const known = this.#domains.get(name);
    return known?.state === 'running' && known.addresses.length === 0 ? undefined : known;
  }

  /** Whether there is a domain of this name; undefined: not known, until the next sweep. */
  has(name: string): boolean | undefined {
    if (!this.#isCurrent) return undefined;
    return this.#changed.get(name)?.isDefined ?? (this.#domains.has(name) || this.#unreadable.has(name));
  }

  /**
   * Call it before libvirt itself is asked about a domain, and what it returns with the answer, which then is part of the picture: if
   * nothing has changed meanwhile, nobody needs to ask again.
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
        // Told when the picture is there: many may look at once.
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

  /** One after the other: two at once would each take what the other saw for news. */
  #sweep(signal: AbortSignal): Promise<void> {
    this.#sweeping = this.#sweeping
      .then(() => this.#look(signal))
      .catch((error: unknown) => this.#options.onError?.(error));
    return this.#sweeping;
  }

  async #look(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    // The sweep sees what became of these; what changes from here on, it may have seen before or after.
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
      // The events tell of a lost connection; after any other failure libvirt is asked directly until the next sweep.
      if (!signal.aborted && !(error instanceof LibvirtError)) throw error;
    } finally {
      this.#isSweeping = false;
    }
  }
}
