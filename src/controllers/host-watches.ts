/** One watch for each libvirt host that is in use: begun when a Machine first asks, ended when none is left on the host. */

import { once } from 'node:events';
import type { Logger } from '../kube/log.ts';
import type { DomainObservation } from '../libvirt/domain.ts';
import { HostWatch } from '../libvirt/host-watch.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import type { LibvirtError } from '../libvirt/libvirt-error.ts';

export interface HostWatchesOptions {
  readonly libvirt: (uri: string) => Libvirt;
  readonly log: Logger;
  readonly onChange: (domain: string) => void;
  /** The host at `uri` is lost, or back. */
  readonly onConnection: (uri: string) => void;
  /** Whether any Machine is on the host. */
  readonly isUsed: (uri: string) => boolean;
}

interface Running {
  readonly watch: HostWatch;
  readonly stop: AbortController;
}

export class HostWatches {
  readonly name = 'hosts';
  readonly #options: HostWatchesOptions;
  readonly #running = new Map<string, Running>();
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

  /** The domain as it is; undefined: ask libvirt. Throws LibvirtError while the host is out of reach. */
  domain(uri: string, name: string): DomainObservation | undefined {
    const { watch } = this.#running.get(uri) ?? this.#start(uri);
    if (watch.lost) throw watch.lost;
    return watch.domain(name);
  }

  #start(uri: string): Running {
    const { libvirt, log, onChange, onConnection, isUsed } = this.#options;
    const stop = new AbortController();
    const onConnect = (error: LibvirtError | undefined) => {
      if (error) log.warn('Host is out of reach', { host: libvirt(uri).uri, error });
      else log.info('Watching host', { host: libvirt(uri).uri });
      onConnection(uri);
      if (error && !isUsed(uri)) stop.abort();
    };
    const watch = new HostWatch({ libvirt: libvirt(uri), onChange, onConnection: onConnect });
    const running = { watch, stop };
    if (this.#signal === undefined || this.#signal.aborted) return running;
    this.#running.set(uri, running);
    const ended = watch
      .run(stop.signal)
      .catch((error: unknown) => log.error('Watch of a host failed', { host: libvirt(uri).uri, error }))
      .finally(() => {
        this.#running.delete(uri);
        this.#ending.delete(ended);
      });
    this.#ending.add(ended);
    return running;
  }
}
