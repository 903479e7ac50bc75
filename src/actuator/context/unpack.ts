/** Unpacks compressed images as they come: gzip by Node's zlib, all others by the programs of the system. */

import type { Readable } from 'node:stream';
import { Readable as NodeReadable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CaplvError, type Missing, outOfResources, TerminalError } from '../../errors.ts';
import type { Compression } from '../../intent/image/compression.ts';
import { zlib } from '../../system/node-modules.ts';
import { printableRemark } from '../../telemetry/printable.ts';

export interface Archive {
  readonly compression: Compression;
  /** As it may be shown, without secrets. */
  readonly shown: string;
  /** Field that names it, for errors. */
  readonly path: string;
  /** Bytes that it may have, unpacked. */
  readonly maxBytes: number;
  /** What may come in place of one that is damaged: a file may still be written. */
  readonly missing?: Missing | undefined;
}

interface Unpacker {
  readonly program: string;
  readonly args: readonly string[];
  /** Debian's package. */
  readonly debian: string;
}

/** More than `xz -9` needs (65 MiB); an archive may ask for 4 GiB. */
const XZ_MEMORY = '256MiB';

/** Node's own zstd ends at the end of a first frame, and `pzstd` writes several. */
const UNPACKERS: Readonly<Record<Exclude<Compression, 'gzip'>, Unpacker>> = {
  xz: {
    program: 'xz',
    args: ['--decompress', '--stdout', '--format=xz', '--threads=1', `--memlimit-decompress=${XZ_MEMORY}`],
    debian: 'xz-utils',
  },
  zstd: { program: 'zstd', args: ['--decompress', '--stdout', '--quiet'], debian: 'zstd' },
  bzip2: { program: 'bzip2', args: ['--decompress', '--stdout'], debian: 'bzip2' },
};

const CHUNK_BYTES = 256 * 1024;
/** Characters of what a program says of a failure that are kept; few of them are shown. */
const SAID_CHARACTERS = 2_000;

/**
 * Yields what `content`, an archive, has in it. Reads all of `content`, or throws.
 * @throws what `content` throws; TerminalError ImageInvalid for one that is cut off or damaged, or whose program is not installed;
 * TerminalError NotAllowed for one with more than `maxBytes` in it
 */
export async function* unpack(content: AsyncGenerator<Buffer>, archive: Archive): AsyncGenerator<Buffer> {
  const unpacked = archive.compression === 'gzip' ? gunzip(content, archive) : run(content, archive);
  let count = 0;
  for await (const chunk of unpacked) {
    count += chunk.length;
    if (count > archive.maxBytes) throw tooLarge(archive);
    yield chunk;
  }
}

async function* gunzip(content: AsyncGenerator<Buffer>, archive: Archive): AsyncGenerator<Buffer> {
  const gunzip = zlib().createGunzip({ chunkSize: CHUNK_BYTES });
  const source = NodeReadable.from(content, { objectMode: true, highWaterMark: 1 });
  // The error of either ends the other.
  const feeding = pipeline(source, gunzip);
  feeding.catch(() => undefined);
  try {
    yield* gunzip as Readable;
    await feeding;
  } catch (error) {
    throw ownError(error) ?? damaged(archive, (error as Error).message);
  } finally {
    gunzip.destroy();
    source.destroy();
  }
}

async function* run(content: AsyncGenerator<Buffer>, archive: Archive): AsyncGenerator<Buffer> {
  const unpacker = UNPACKERS[archive.compression as Exclude<Compression, 'gzip'>];
  const { execa } = await import('execa');
  const child = execa(unpacker.program, unpacker.args, {
    buffer: { stdout: false },
    maxBuffer: SAID_CHARACTERS,
    reject: false,
    env: { LC_ALL: 'C', XZ_OPT: '', XZ_DEFAULTS: '', ZSTD_CLEVEL: '', BZIP: '', BZIP2: '' },
  });
  const source = NodeReadable.from(content, { objectMode: true, highWaterMark: 1 });
  const feeding = pipeline(source, child.stdin).then(
    () => undefined,
    (error: unknown) => error,
  );
  try {
    yield* child.stdout as Readable;
    const [fed, result] = await Promise.all([feeding, child]);
    const own = fed === undefined ? undefined : ownError(fed);
    if (own) throw own;
    if (result.code === 'ENOENT') throw notInstalled(archive, unpacker);
    if (result.failed) throw outOfResources(result.cause) ?? damaged(archive, String(result.stderr));
    if (fed !== undefined) throw damaged(archive, 'there is more after its end');
  } finally {
    child.kill('SIGKILL');
    source.destroy();
  }
}

/** What the content itself says of its failure; undefined: it is of the unpacking. */
function ownError(error: unknown): CaplvError | undefined {
  return error instanceof CaplvError ? error : outOfResources(error);
}

function damaged({ compression, shown, path, missing }: Archive, said: string): TerminalError {
  return new TerminalError({
    code: 'ImageInvalid',
    path,
    message: `${shown} cannot be unpacked: its ${compression} data is damaged or cut off (${printableRemark(said)})`,
    fix: 'fetch it again where it comes from, and try it out: gzip --test, xz --test, zstd --test or bzip2 --test FILE',
    missing,
  });
}

function notInstalled({ compression, shown, path }: Archive, { program, debian }: Unpacker): TerminalError {
  return new TerminalError({
    code: 'ImageInvalid',
    path,
    message: `${shown} is compressed by ${compression}, and the machine where caplv runs has no program ${program}`,
    fix: `install it there (Debian: apt-get install ${debian}), or name an image that is not compressed, or by gzip`,
  });
}

function tooLarge({ shown, path, maxBytes }: Archive): TerminalError {
  return new TerminalError({
    code: 'NotAllowed',
    path,
    message: `${shown} has more than ${maxBytes} bytes in it, which are allowed`,
    fix: 'use a smaller one, or have more allowed: --max-image-gb (CAPLV_MAX_IMAGE_GB)',
  });
}
