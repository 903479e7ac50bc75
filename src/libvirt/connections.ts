/** Keeps one Libvirt for each host. */

import type { AllowedHost } from '../system/allowed-host.ts';
import { Libvirt } from './libvirt.ts';

export interface ObserversOptions {
  /** Keeps connections open until `close`, for a process that observes hosts again and again. */
  readonly stay?: boolean;
  /** Called when a host begins, or ceases, to answer. */
  readonly onAnswer?: ((uri: string, answers: boolean) => void) | undefined;
  /** Called before each change of a host; what it throws is thrown instead. */
  readonly mayChange?: (() => void) | undefined;
}

/** Holds one Libvirt for each URI. */
export class LibvirtConnections {
  readonly #options: ObserversOptions;
  readonly #known = new Map<AllowedHost, Libvirt>();

  constructor(options: ObserversOptions = {}) {
    this.#options = options;
  }

  readonly of = (uri: AllowedHost): Libvirt => {
    const { stay = false, onAnswer, mayChange } = this.#options;
    const known = this.#known.get(uri);
    if (known) return known;
    const libvirt = new Libvirt({
      uri,
      stays: stay,
      onAnswer: (answers) => onAnswer?.(uri, answers),
      mayChange,
    });
    this.#known.set(uri, libvirt);
    return libvirt;
  };

  /** Returns `Libvirt.answers` of a host; undefined also for a host that was not used yet. */
  answers(uri: AllowedHost): boolean | undefined {
    return this.#known.get(uri)?.answers;
  }

  /** Closes the connection of a host that is no longer used. The next call opens another. */
  release(uri: AllowedHost): void {
    this.#known.get(uri)?.close();
    this.#known.delete(uri);
  }

  close(): void {
    for (const libvirt of this.#known.values()) libvirt.close();
  }
}
