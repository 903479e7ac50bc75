/** Holds the bytes of an image against the digest that it must have, as they pass. */

import { createHash, type Hash } from 'node:crypto';
import { type Missing, TerminalError } from '../../errors.ts';
import { type Checksum, formatChecksum, parseChecksum } from '../../intent/image/checksum.ts';
import { shown } from '../../intent/image.ts';

export class ChecksumCheck {
  readonly #source: string;
  readonly #wanted: Checksum | undefined;
  readonly #hash: Hash | undefined;
  readonly #missing: Missing | undefined;

  /** `checksum`: `sha256:…` or `sha512:…`; undefined: any content will do. `missing`: what may come in place of a content that will not do. */
  constructor(
    { source, checksum }: { readonly source: string; readonly checksum?: string | undefined },
    missing?: Missing,
  ) {
    this.#source = source;
    this.#missing = missing;
    this.#wanted = checksum === undefined ? undefined : parseChecksum(checksum);
    // A digest that was pinned is one of ours; another text must not count as none.
    if (checksum !== undefined && !this.#wanted)
      throw this.#refused(checksum, 'a content that cannot be verified');
    this.#hash = this.#wanted && createHash(this.#wanted.algorithm);
  }

  update(chunk: Uint8Array): void {
    this.#hash?.update(chunk);
  }

  /** @throws TerminalError ImageInvalid: all bytes have passed, and they are others */
  end(): void {
    if (!this.#wanted || !this.#hash) return;
    const digest = this.#hash.digest('hex');
    if (digest === this.#wanted.digest) return;
    const { algorithm } = this.#wanted;
    throw this.#refused(formatChecksum(this.#wanted), formatChecksum({ algorithm, digest }));
  }

  #refused(wanted: string, found: string): TerminalError {
    return new TerminalError({
      code: 'ImageInvalid',
      path: 'spec.providerSpec.imageChecksum',
      message: `${shown(this.#source)} has ${found}, and imageChecksum is ${wanted}`,
      fix: 'find out which of both is right: correct imageChecksum, or do not use this file',
      missing: this.#missing,
    });
  }
}
