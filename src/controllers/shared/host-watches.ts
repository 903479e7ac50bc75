/**
 * One watch for each libvirt host that is in use: begun when a Machine first asks, ended when no Machine is on the host or waits for it; at
 * once where the host is lost, else after a while.
 */

import { once } from 'node:events';
import { classify } from '../../actuator/context/classify-error.ts';
import { TransientError } from '../../errors.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import { HostWatch } from '../../libvirt/host-watch.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { LibvirtError } from '../../libvirt/libvirt-error.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { Logger } from '../../telemetry/logger.ts';

export interface HostWatchesOptions {
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  readonly log: Logger;
  /** A domain of this name is not as it was, or its host is not; `isBack`: the host answers again. */
  readonly onChange: (domain: string, isBack: boolean) => void;
  /** Whether there is a Machine of this domain. */
  readonly isWanted: (domain: string) => boolean;
  /** Names of the domains of all Machines that were put on the host. */
  readonly domainsOn: (uri: AllowedHost) => readonly string[];
  /** Called when the host of that URI is watched no more, since nobody uses it. */
  readonly onUnused?: (uri: AllowedHost) => void;
  /** Milliseconds for which a host without Machines is watched on. Default ten minutes. */
  readonly idleMs?: number;
}

/** Machines are deleted and made anew within minutes. */
const IDLE_MS = 10 * 60_000;

interface Running {
  readonly watch: HostWatch;
  readonly stop: AbortController;
  /** Names of domains that were asked for when the host was not there. */
  readonly waiting: Set<string>;
}

export class HostWatches {
  readonly name = 'hosts';
  readonly #options: HostWatchesOptions;
  readonly #running = new Map<AllowedHost, Running>();
  readonly #ending = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(options: HostWatchesOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    if (!signal.aborted) await once(signal, 'abort');
    for (const { stop } of this.#running.values()) stop.abort();
    await Promise.all(this.#ending);
  }

  /** Each host that is watched; `isReachable` is undefined until that is known. `uri` is without its password. */
  get seen(): readonly {
    readonly uri: string;
    readonly isReachable: boolean | undefined;
    readonly domains: number;
    readonly unreadable: number;
  }[] {
    return [...this.#running].map(([uri, { watch }]) => ({
      uri: this.#options.libvirt(uri).uri,
      isReachable: watch.isReachable,
      domains: watch.size,
      unreadable: watch.unreadable,
    }));
  }

  /**
   * The domain as it is; undefined: ask libvirt. Throws TransientError LibvirtUnreachable while the host is out of reach, or Terminal
   * for what a person has to mend there; `onChange` tells when it is back.
   */
  domain(uri: AllowedHost, name: string): DomainObservation | undefined {
    const { watch, waiting } = this.#running.get(uri) ?? this.#start(uri, name);
    if (!watch.lost) return watch.domain(name);
    waiting.add(name);
    throw watched(classify(watch.lost));
  }

  /** See `HostWatch.looking`. */
  looking(uri: AllowedHost, name: string): (found: DomainObservation) => void {
    return this.#running.get(uri)?.watch.looking(name) ?? (() => {});
  }

  /** Whether the host has a domain of this name; undefined: not known yet, or not any more. Asks nobody. */
  has(uri: AllowedHost, name: string): boolean | undefined {
    return this.#running.get(uri)?.watch.has(name);
  }

  #start(uri: AllowedHost, name: string): Running {
    const { libvirt, log, onChange, domainsOn } = this.#options;
    const stop = new AbortController();
    const waiting = new Set([name]);
    const host = libvirt(uri).uri;
    const onConnection = (error: LibvirtError | undefined) => {
      if (error) log.warn('Host is out of reach', { host, error });
      else log.info('Watching host', { host });
      for (const domain of new Set([...domainsOn(uri), ...waiting])) onChange(domain, error === undefined);
      if (!error) waiting.clear();
    };
    const end = () => {
      if (this.#isUsed(uri, waiting)) return;
      stop.abort();
      // Whoever asks from here on would wait for a watch that has ended.
      this.#running.delete(uri);
      this.#options.onUnused?.(uri);
    };
    const onFailure = end;
    const { idleMs = IDLE_MS } = this.#options;
    const idle = setInterval(() => {
      const isUsed = this.#isUsed(uri, waiting);
      if (!isUsed && wasUnused) end();
      wasUnused = !isUsed;
    }, idleMs / 2).unref();
    let wasUnused = false;
    const onError = (error: unknown) => log.warn('Host cannot be read in full', { host, error });
    const onDomain = (domain: string) => onChange(domain, false);
    const options = { onChange: onDomain, onConnection, onFailure, onError };
    const watch = new HostWatch({ libvirt: libvirt(uri), ...options });
    const running = { watch, stop, waiting };
    if (this.#signal === undefined || this.#signal.aborted) {
      clearInterval(idle);
      return running;
    }
    this.#running.set(uri, running);
    const ended = watch
      .run(stop.signal)
      .catch((error: unknown) => log.error('Watch of a host failed', { host, error }))
      .finally(() => {
        clearInterval(idle);
        if (this.#running.get(uri) === running) this.#running.delete(uri);
        this.#ending.delete(ended);
      });
    this.#ending.add(ended);
    return running;
  }

  #isUsed(uri: AllowedHost, waiting: Set<string>): boolean {
    const { domainsOn, isWanted } = this.#options;
    for (const name of waiting) if (!isWanted(name)) waiting.delete(name);
    return waiting.size > 0 || domainsOn(uri).length > 0;
  }
}

/** The same failure, of which the end is told. */
function watched(error: unknown): unknown {
  if (!(error instanceof TransientError)) return error;
  const { code, message, cause, fix, retryAfterMs } = error;
  const details = { code, message, cause, retryAfterMs, missing: { kind: 'watched' } as const };
  return new TransientError(fix === undefined ? details : { ...details, fix });
}
