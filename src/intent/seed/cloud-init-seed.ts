/** Holds cloud-init's data as a volume of a host. */

import { createHash } from 'node:crypto';
import { type SeedFiles, seedIso } from './seed-iso.ts';

/** Builds the ISO once, when its bytes or its volume's name are first asked for: most reconciles ask for neither. */
export class CloudInitSeed {
  readonly kind = 'cloudinit';
  readonly pool: string;
  readonly #name: string;
  readonly #files: SeedFiles;
  #content: Uint8Array | undefined;
  #volume: string | undefined;

  /** `name`: of the volume, without the digest at its end. */
  constructor(name: string, pool: string, files: SeedFiles) {
    this.#name = name;
    this.pool = pool;
    this.#files = files;
  }

  get networkConfig(): string | undefined {
    return this.#files.networkConfig;
  }

  /** Returns the same seed with this network configuration. */
  withNetworkConfig(networkConfig: string): CloudInitSeed {
    return new CloudInitSeed(this.#name, this.pool, { ...this.#files, networkConfig });
  }

  /** The bytes of the ISO. */
  get content(): Uint8Array {
    this.#content ??= seedIso(this.#files);
    return this.#content;
  }

  /**
   * Ends with a digest of the content. So other content is another volume, and the name cannot be guessed by users of the host: the
   * provider makes every volume readable by all who can reach its path.
   */
  get volume(): string {
    this.#volume ??= `${this.#name}-${createHash('sha256').update(this.content).digest('hex').slice(0, 16)}`;
    return this.#volume;
  }

  /** Gives the text, for the hash of the intent: another shape would be another hash of every machine that was made before. */
  toJSON(): object {
    return { kind: this.kind, volume: this.#name, pool: this.pool, ...this.#files };
  }
}
