/** Opens the file or URL that a volume is filled from under the policy, each time, and verifies its bytes as they pass. */

import { constants, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { CaplvError, type ErrorCode, type Missing, TerminalError, TransientError } from '../../errors.ts';
import { fetchFailure, isBusy, openAllowed, retryAfterMs, statusText } from '../../intent/allowed-fetch.ts';
import { HEADER_BYTES } from '../../intent/image/header.ts';
import { fileVersion, requireLength, shown, unreadable } from '../../intent/image.ts';
import { notAllowed, type Policy } from '../../intent/policy.ts';
import type { Resolve } from '../../system/network/checked-lookup.ts';
import { ChecksumCheck } from './checksum-check.ts';

/** What a volume is filled from, as its author wrote it. */
export interface VolumeSource {
  /** An image is held against its formats, a seed may be anything. */
  readonly kind: 'image' | 'seed';
  /** Absolute path or http(s) URL. */
  readonly source: string;
  /** Digest that it must have, `sha256:…` or `sha512:…`; undefined: any. */
  readonly checksum?: string | undefined;
}

export interface Progress {
  readonly bytes: number;
  readonly totalBytes: number;
}

/** A file or URL that was opened. Whoever has it reads or destroys its stream. */
export interface Opened {
  readonly bytes: number;
  readonly stream: Readable;
  /** What may come in its place, and be better. */
  readonly missing?: Missing | undefined;
}

/** Field that names the source. */
export const FIELDS = { image: 'spec.providerSpec.imageURI', seed: 'spec.providerSpec.userDataURI' } as const;
const NOT_FOUND = { image: 'ImageNotFound', seed: 'UserDataNotFound' } as const satisfies Record<
  string,
  ErrorCode
>;
const REFUSED = {
  image: 'ImageInvalid',
  seed: 'InvalidConfiguration',
} as const satisfies Record<string, ErrorCode>;
const RETRY_MS = 15_000;
/** Bytes of a file that are read at once. */
export const READ_BYTES = 1024 ** 2;

export class SourceReader {
  readonly #source: VolumeSource;
  readonly #policy: Policy;
  readonly #resolve: Resolve | undefined;
  /** Of the file as it is. */
  #bytes: number | undefined;
  #readBytes = 0;

  constructor(source: VolumeSource, policy: Policy, resolve?: Resolve) {
    this.#source = source;
    this.#policy = policy;
    this.#resolve = resolve;
  }

  /** How much has been read of it, this time. */
  get progress(): Progress {
    return { bytes: this.#readBytes, totalBytes: this.#bytes ?? 0 };
  }

  /** Returns the first bytes, and how many there are. @throws as `open` */
  async peek(stop: AbortSignal): Promise<{ readonly header: Buffer } & Omit<Opened, 'stream'>> {
    const { stream, ...opened } = await this.open(stop, { range: `bytes=0-${HEADER_BYTES - 1}` });
    const first: Buffer[] = [];
    let count = 0;
    for await (const chunk of this.#read(stream)) {
      first.push(chunk);
      count += chunk.length;
      if (count >= HEADER_BYTES) break; // leaving the loop ends the request
    }
    return { ...opened, header: Buffer.concat(first) };
  }

  /**
   * Opens it; it always has as many bytes as at the first time.
   * @throws TerminalError NotAllowed, ImageInvalid, InvalidConfiguration; both classes ImageNotFound and UserDataNotFound
   */
  async open(stop: AbortSignal, headers: Readonly<Record<string, string>> = {}): Promise<Opened> {
    const { source } = this.#source;
    const opened = /^https?:/.test(source)
      ? await this.#openUrl(stop, headers)
      : await this.#openFile(source);
    try {
      this.#requireSize(opened.bytes);
      return opened;
    } catch (error) {
      opened.stream.destroy();
      throw error;
    }
  }

  async #openUrl(stop: AbortSignal, asked: Readonly<Record<string, string>>): Promise<Opened> {
    const { source: url, kind } = this.#source;
    const path = FIELDS[kind];
    // Uncompressed: a server that packs what it sends does not know its length.
    const headers = { ...asked, 'accept-encoding': 'identity' };
    const options = { headers, stop, resolve: this.#resolve };
    const message = await openAllowed(this.#policy, url, path, options).catch((error: unknown) => {
      throw error instanceof CaplvError ? error : this.#unreachable(error);
    });
    try {
      const { statusCode: status = 0 } = message;
      const isPart = status === 206 && asked['range'] !== undefined;
      if (status !== 200 && !isPart) throw this.#answered(status, message.headers['retry-after']);
      const length = isPart
        ? message.headers['content-range']?.split('/')[1]
        : message.headers['content-length'];
      return { bytes: requireLength(length, { url, path, code: REFUSED[kind] }), stream: message };
    } catch (error) {
      message.destroy();
      throw error;
    }
  }

  /** The file that was opened is the one that is held against the policy, wherever links lead by then. */
  async #openFile(file: string): Promise<Opened> {
    const path = FIELDS[this.#source.kind];
    // A pipe would be waited for.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
      throw unreadable(file, path, error);
    });
    try {
      if (!(await this.#policy.file(`/proc/self/fd/${handle.fd}`))) {
        throw notAllowed(path, `the file ${file} of the machine where caplv runs`, file);
      }
      const info = await handle.stat();
      if (!info.isFile() || info.size === 0)
        throw unreadable(file, path, new Error('it is no file with content'));
      return {
        bytes: info.size,
        stream: handle.createReadStream({ highWaterMark: READ_BYTES, end: info.size - 1 }),
        missing: { kind: 'otherFile', path: file, version: fileVersion(info) },
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  #requireSize(bytes: number): void {
    const { kind, source } = this.#source;
    this.#bytes ??= bytes;
    if (bytes !== this.#bytes) throw this.changed(`has ${bytes} bytes, and had ${this.#bytes} before`);
    const { maxImageBytes } = this.#policy;
    if (bytes <= maxImageBytes) return;
    throw new TerminalError({
      code: 'NotAllowed',
      path: FIELDS[kind],
      message: `${shown(source)} has ${bytes} bytes, and at most ${maxImageBytes} are allowed`,
      fix: 'use a smaller one, or have more allowed: --max-image-gb (CAPLV_MAX_IMAGE_GB)',
    });
  }

  /** Yields the file as it is. It ends with an error where it has another length, or not the digest that it must have. */
  async *verified({ bytes, stream, missing }: Opened): AsyncGenerator<Buffer> {
    const checksum = new ChecksumCheck(this.#source, missing);
    let count = 0;
    try {
      for await (const chunk of this.#read(stream)) {
        count += chunk.length;
        if (count > bytes) throw this.changed(`sends more than the ${bytes} bytes that it has`);
        checksum.update(chunk);
        this.#readBytes = count;
        yield chunk;
      }
    } finally {
      stream.destroy();
    }
    if (count < bytes) throw this.changed(`sends ${count} of the ${bytes} bytes that it has`);
    checksum.end();
  }

  /** As they come; of an error that is the source's own. */
  async *#read(stream: Readable): AsyncGenerator<Buffer> {
    try {
      yield* stream;
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  #answered(status: number, retryAfter: string | undefined): CaplvError {
    const { kind, source } = this.#source;
    const headers = new Headers(retryAfter === undefined ? {} : { 'retry-after': retryAfter });
    const details = {
      code: NOT_FOUND[kind],
      path: FIELDS[kind],
      message: `${shown(source)} answers ${statusText({ status })}`,
      fix: 'check the URL',
    };
    if (!isBusy({ status })) return new TerminalError(details);
    return new TransientError({ ...details, retryAfterMs: retryAfterMs({ headers }) ?? RETRY_MS });
  }

  #unreachable(error: unknown): TransientError {
    const { kind, source } = this.#source;
    return new TransientError({
      code: NOT_FOUND[kind],
      path: FIELDS[kind],
      message: `cannot read all of ${shown(source)}: ${fetchFailure(error)}`,
      fix: 'see how it answers, and that the machine where caplv runs can reach it: curl -o /dev/null URL',
      retryAfterMs: RETRY_MS,
    });
  }

  /** Returns the error for what is not as it was a moment ago. */
  changed(what: string): TransientError {
    const { kind, source } = this.#source;
    return new TransientError({
      code: NOT_FOUND[kind],
      path: FIELDS[kind],
      message: `${shown(source)} ${what}`,
      fix: 'nothing to do if it was being replaced: it is fetched again',
      retryAfterMs: RETRY_MS,
    });
  }
}
