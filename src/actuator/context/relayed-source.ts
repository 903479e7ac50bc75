/** Gives what a volume is filled from, as libvirt takes it: unpacked, converted, counted and hashed as it passes. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Missing } from '../../errors.ts';
import { type Compression, compressionOf, importedName } from '../../intent/image/compression.ts';
import {
  type ConvertedFormat,
  convertedFormatOf,
  HEADER_BYTES,
  requireImage,
} from '../../intent/image/header.ts';
import { shown } from '../../intent/image.ts';
import { CLUSTER_MAX_IMAGE_GB, type Policy } from '../../intent/policy.ts';
import type { Resolve } from '../../system/network/checked-lookup.ts';
import { type ConvertedImage, convertImage } from './convert.ts';
import {
  FIELDS,
  type Opened,
  type Progress,
  READ_BYTES,
  SourceReader,
  type VolumeSource,
} from './source-reader.ts';
import { unpack } from './unpack.ts';

/** What passed, whole. */
export interface Transfer {
  readonly bytes: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

/** Where nothing else is said: an archive of a few KiB may have terabytes in it. */
const MAX_UNPACKED_BYTES = CLUSTER_MAX_IMAGE_GB * 1024 ** 3;

/** What is given in place of the file, once it was looked at. */
interface Size {
  readonly bytes: number;
  readonly compression: Compression | undefined;
  readonly converted?: ConvertedImage;
}

/** A file or URL that is opened under the policy, each time, and whose bytes are checked, counted and hashed as they pass. */
export class RelayedSource {
  readonly #source: VolumeSource;
  readonly #policy: Policy;
  readonly #reader: SourceReader;
  #size: Promise<Size> | undefined;
  #given: Progress | undefined;

  constructor(source: VolumeSource, policy: Policy, resolve?: Resolve) {
    this.#source = source;
    this.#policy = policy;
    this.#reader = new SourceReader(source, policy, resolve);
  }

  /** What is under way: the file is read before it is unpacked or converted, and then given. */
  get progress(): Progress & { readonly doing: 'reading' | 'transferring' } {
    return this.#given
      ? { doing: 'transferring', ...this.#given }
      : { doing: 'reading', ...this.#reader.progress };
  }

  /** The last part of its path: provider 0.8.3 reads the format off the suffix. */
  get name(): string {
    const { source } = this.#source;
    const path = /^https?:/.test(source) ? new URL(source).pathname : source;
    const name = importedName(path.split('/').at(-1) ?? '');
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
    const { bytes, compression, converted } = await this.#measured(stop);
    const content = converted
      ? createReadStream(converted.file, { highWaterMark: READ_BYTES })
      : this.#content(await this.#reader.open(stop), compression);
    return { bytes, content: this.#checked(content, bytes) };
  }

  /** Removes what was made of it on this machine. */
  async close(): Promise<void> {
    const size = await this.#size?.catch(() => undefined);
    await size?.converted?.remove();
  }

  #measured(stop: AbortSignal): Promise<Size> {
    this.#size ??= this.#measure(stop);
    return this.#size;
  }

  async #measure(stop: AbortSignal): Promise<Size> {
    const { header, bytes, missing } = await this.#reader.peek(stop);
    const compression = this.#source.kind === 'image' ? compressionOf(header) : undefined;
    const inside = compression ? await this.#unpackedOnce(stop, compression) : { header, bytes };
    const format = this.#source.kind === 'image' ? convertedFormatOf(inside.header) : undefined;
    if (format) return this.#convert(stop, compression, format, missing);
    this.#requireFormat(inside.header, inside.bytes, missing);
    return { bytes: inside.bytes, compression };
  }

  /** Reads an archive to its end, for the size of what is in it and its first bytes. */
  async #unpackedOnce(
    stop: AbortSignal,
    compression: Compression,
  ): Promise<{ readonly header: Buffer; readonly bytes: number }> {
    let header = Buffer.alloc(0);
    let bytes = 0;
    for await (const chunk of this.#content(await this.#reader.open(stop), compression)) {
      if (header.length < HEADER_BYTES) header = Buffer.concat([header, chunk.subarray(0, HEADER_BYTES)]);
      bytes += chunk.length;
    }
    return { header: header.subarray(0, HEADER_BYTES), bytes };
  }

  async #convert(
    stop: AbortSignal,
    compression: Compression | undefined,
    format: ConvertedFormat,
    missing: Missing | undefined,
  ): Promise<Size> {
    const read = async () => this.#content(await this.#reader.open(stop), compression);
    const converted = await convertImage(read, {
      format,
      shown: shown(this.#source.source),
      path: FIELDS.image,
      policy: this.#policy,
      missing,
      stop,
    });
    return { bytes: converted.bytes, compression: undefined, converted };
  }

  /** What is given, in `bytes` bytes. */
  async *#checked(content: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer, Transfer> {
    const hash = createHash('sha256');
    let header: Buffer[] | undefined = [];
    let count = 0;
    for await (const chunk of content) {
      count += chunk.length;
      if (count > bytes)
        throw this.#reader.changed(`has more than the ${bytes} bytes in it that it had before`);
      hash.update(chunk);
      this.#given = { bytes: count, totalBytes: bytes };
      header?.push(chunk);
      if (header === undefined) yield chunk;
      else if (count >= HEADER_BYTES || count === bytes) {
        const first = Buffer.concat(header);
        header = undefined;
        this.#requireFormat(first, bytes);
        yield first;
      }
    }
    if (count < bytes)
      throw this.#reader.changed(`has ${count} of the ${bytes} bytes in it that it had before`);
    return { bytes, sha256: hash.digest('hex') };
  }

  #content(opened: Opened, compression: Compression | undefined): AsyncGenerator<Buffer> {
    const { missing } = opened;
    const content = this.#reader.verified(opened);
    if (compression === undefined) return content;
    const source = shown(this.#source.source);
    const { maxImageBytes } = this.#policy;
    const maxBytes = Number.isFinite(maxImageBytes) ? maxImageBytes : MAX_UNPACKED_BYTES;
    return unpack(content, { compression, shown: source, path: FIELDS.image, maxBytes, missing });
  }

  #requireFormat(header: Buffer, bytes: number, missing?: Missing): void {
    const { kind, source } = this.#source;
    if (kind === 'seed') return;
    requireImage(header.subarray(0, HEADER_BYTES), bytes, {
      shown: shown(source),
      path: FIELDS.image,
      policy: this.#policy,
      missing,
    });
  }
}
