import { Libvirt } from './libvirt.ts';

/** One observer a URI. */
export class Observers {
  readonly #stay: boolean;
  readonly #known = new Map<string, Libvirt>();

  /** @param options.stay their connections stay until `close`, for a process that goes on looking */
  constructor({ stay = false } = {}) {
    this.#stay = stay;
  }

  readonly of = (uri: string): Libvirt => {
    const libvirt = this.#known.get(uri) ?? new Libvirt({ uri, stays: this.#stay });
    this.#known.set(uri, libvirt);
    return libvirt;
  };

  close(): void {
    for (const libvirt of this.#known.values()) libvirt.close();
  }
}
