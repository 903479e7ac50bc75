/** Opens the file or URL that a volume is filled from, and checks, counts and hashes its bytes as they pass. */

import { createHash } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { CaplvError, type ErrorCode, type Missing, TerminalError, TransientError } from '../../errors.ts';
import { fetchFailure, isBusy, openAllowed, retryAfterMs, statusText } from '../../intent/allowed-fetch.ts';
import { type Compression, compressionOf, withoutCompressionSuffix } from '../../intent/image/compression.ts';
import { HEADER_BYTES, requireImage } from '../../intent/image/header.ts';
import { fileVersion, requireLength, shown, unreadable } from '../../intent/image.ts';
import { CLUSTER_MAX_IMAGE_GB, notAllowed, type Policy } from '../../intent/policy.ts';
import type { Resolve } from '../../system/network/checked-lookup.ts';
import { ChecksumCheck } from './checksum-check.ts';
import { unpack } from './unpack.ts';

/** What a volume is filled from, as its author wrote it. */
export interface VolumeSource {
  /** An image is held against its formats, a seed may be anything. */
  readonly kind: 'image' | 'seed';
  /** Absolute path or http(s) URL. */
  readonly source: string;
  /** Digest that it must have, `sha256:…` or `sha512:…`; undefined: any. */
  readonly checksum?: string | undefined;
}

/** What passed, whole. */
export interface Transfer {
  readonly bytes: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

interface Opened {
  readonly bytes: number;
  readonly stream: Readable;
  /** What may come in its place, and be better. */
  readonly missing?: Missing | undefined;
}

const FIELDS = { image: 'spec.providerSpec.imageURI', seed: 'spec.providerSpec.userDataURI' } as const;
const NOT_FOUND = { image: 'ImageNotFound', seed: 'UserDataNotFound' } as const satisfies Record<
  string,
  ErrorCode
>;
const REFUSED = {
  image: 'ImageInvalid',
  seed: 'InvalidConfiguration',
} as const satisfies Record<string, ErrorCode>;
const RETRY_MS = 15_000;
/** Where nothing else is said: an archive of a few KiB may have terabytes in it. */
const MAX_UNPACKED_BYTES = CLUSTER_MAX_IMAGE_GB * 1024 ** 3;

interface Size {
  /** That are given: those of the file, or those that are in it. */
  readonly bytes: number;
  readonly compression: Compression | undefined;
}

/** A file or URL that is opened under the policy, each time, and whose bytes are checked, counted and hashed as they pass. */
export class RelayedSource {
  readonly #source: VolumeSource;
  readonly #policy: Policy;
  readonly #resolve: Resolve | undefined;
  /** Of the file as it is. */
  #bytes: number | undefined;
  #size: Promise<Size> | undefined;

  constructor(source: VolumeSource, policy: Policy, resolve?: Resolve) {
    this.#source = source;
    this.#policy = policy;
    this.#resolve = resolve;
  }

  /** The last part of its path: provider 0.8.3 reads the format off the suffix. */
  get name(): string {
    const { source } = this.#source;
    const path = /^https?:/.test(source) ? new URL(source).pathname : source;
    const name = withoutCompressionSuffix(path.split('/').at(-1) ?? '');
    return name.replace(/[^\w.-]+/g, '_') || 'volume';
  }

  /**
   * Returns how many bytes it gives, having looked at the first of them. A compressed image is read and unpacked to its end for this, the
   * first time: no format says it in a way that can be trusted.
   * @throws as `open`
   */
  async size(stop: AbortSignal): Promise<number> {
    return (await this.#measured(stop)).bytes;
  }

  /**
   * Opens it and returns how many bytes it gives, and those, as they come; always as many as at the first time. They end with an error where
   * they are not what is allowed, or not so many.
   * @throws TerminalError NotAllowed, ImageInvalid, InvalidConfiguration; both classes ImageNotFound and UserDataNotFound
   */
  async open(stop: AbortSignal): Promise<{
    readonly bytes: number;
    readonly content: AsyncGenerator<Buffer, Transfer, undefined>;
  }> {
    const { bytes, compression } = await this.#measured(stop);
    const opened = await this.#open(stop, {});
    return { bytes, content: this.#checked(opened, bytes, compression) };
  }

  #measured(stop: AbortSignal): Promise<Size> {
    this.#size ??= this.#measure(stop);
    return this.#size;
  }

  async #measure(stop: AbortSignal): Promise<Size> {
    const { bytes, stream, missing } = await this.#open(stop, { range: `bytes=0-${HEADER_BYTES - 1}` });
    const first: Buffer[] = [];
    let count = 0;
    for await (const chunk of this.#read(stream)) {
      first.push(chunk);
      count += chunk.length;
      if (count >= HEADER_BYTES) break; // leaving the loop ends the request
    }
    const header = Buffer.concat(first);
    const compression = this.#source.kind === 'image' ? compressionOf(header) : undefined;
    if (compression === undefined) {
      this.#requireFormat(header, bytes, missing);
      return { bytes, compression };
    }
    return { bytes: await this.#countUnpacked(await this.#open(stop, {}), compression), compression };
  }

  async #countUnpacked(opened: Opened, compression: Compression): Promise<number> {
    let first = Buffer.alloc(0);
    let count = 0;
    for await (const chunk of this.#content(opened, compression)) {
      if (first.length < HEADER_BYTES) first = Buffer.concat([first, chunk.subarray(0, HEADER_BYTES)]);
      count += chunk.length;
    }
    this.#requireFormat(first, count, opened.missing);
    return count;
  }

  async #open(stop: AbortSignal, headers: Readonly<Record<string, string>>): Promise<Opened> {
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
    if (bytes !== this.#bytes) throw this.#changed(`has ${bytes} bytes, and had ${this.#bytes} before`);
    const { maxImageBytes } = this.#policy;
    if (bytes <= maxImageBytes) return;
    throw new TerminalError({
      code: 'NotAllowed',
      path: FIELDS[kind],
      message: `${shown(source)} has ${bytes} bytes, and at most ${maxImageBytes} are allowed`,
      fix: 'use a smaller one, or have more allowed: --max-image-gb (CAPLV_MAX_IMAGE_GB)',
    });
  }

  /** What is given of it, in `bytes` bytes. */
  async *#checked(
    opened: Opened,
    bytes: number,
    compression: Compression | undefined,
  ): AsyncGenerator<Buffer, Transfer> {
    const hash = createHash('sha256');
    let header: Buffer[] | undefined = [];
    let count = 0;
    for await (const chunk of this.#content(opened, compression)) {
      count += chunk.length;
      if (count > bytes) throw this.#changed(`has more than the ${bytes} bytes in it that it had before`);
      hash.update(chunk);
      header?.push(chunk);
      if (header === undefined) yield chunk;
      else if (count >= HEADER_BYTES || count === bytes) {
        const first = Buffer.concat(header);
        header = undefined;
        this.#requireFormat(first, bytes, opened.missing);
        yield first;
      }
    }
    if (count < bytes) throw this.#changed(`has ${count} of the ${bytes} bytes in it that it had before`);
    return { bytes, sha256: hash.digest('hex') };
  }

  #content(opened: Opened, compression: Compression | undefined): AsyncGenerator<Buffer> {
    const { missing } = opened;
    const content = this.#verified(opened);
    if (compression === undefined) return content;
    const source = shown(this.#source.source);
    const { maxImageBytes } = this.#policy;
    const maxBytes = Number.isFinite(maxImageBytes) ? maxImageBytes : MAX_UNPACKED_BYTES;
    return unpack(content, { compression, shown: source, path: FIELDS.image, maxBytes, missing });
  }

  /** The file as it is, whole: with its length, and its checksum. */
  async *#verified({ bytes, stream, missing }: Opened): AsyncGenerator<Buffer> {
    const checksum = new ChecksumCheck(this.#source, missing);
    let count = 0;
    try {
      for await (const chunk of this.#read(stream)) {
        count += chunk.length;
        if (count > bytes) throw this.#changed(`sends more than the ${bytes} bytes that it has`);
        checksum.update(chunk);
        yield chunk;
      }
    } finally {
      stream.destroy();
    }
    if (count < bytes) throw this.#changed(`sends ${count} of the ${bytes} bytes that it has`);
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

  #requireFormat(header: Buffer, bytes: number, missing: Missing | undefined): void {
    const { kind, source } = this.#source;
    if (kind === 'seed') return;
    requireImage(header.subarray(0, HEADER_BYTES), bytes, {
      shown: shown(source),
      path: FIELDS.image,
      policy: this.#policy,
      missing,
    });
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

  #changed(what: string): TransientError {
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

const READ_BYTES = 1024 ** 2;
