/**
 * Looks at an image before anything is imported: that it is there, is a disk image, and how large the disk in it is.
 * Formats: qcow2 (https://www.qemu.org/docs/master/interop/qcow2.html) and raw with a partition table.
 */

import type { Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { CaplvError, outOfResources, TerminalError, TransientError } from '../errors.ts';
import {
  allowedFetch,
  fetchFailure,
  isBusy,
  retryAfterMs,
  statusText,
  withoutCredentials,
} from './allowed-fetch.ts';
import { longHash } from './names.ts';
import type { Policy } from './policy.ts';
import { requireLength } from './remote-length.ts';

/** An `imageURI`, read. */
export type ImageURI =
  | { readonly kind: 'volume'; readonly pool: string; readonly volume: string }
  /** `source` is what the Terraform provider takes: a path or an http(s) URL. */
  | { readonly kind: 'source'; readonly source: string };

export interface ImageFacts {
  /** Identity of the content: changes when the file or the resource behind the URL does. */
  readonly key: string;
  /** Bytes of the disk in the image; undefined where the format does not say without reading all of it. */
  readonly virtualSizeBytes: number | undefined;
}

const HEADER_BYTES = 512;
/** Of a qcow2 header: the disk's content lies in another file. */
const EXTERNAL_DATA = 1n << 2n;

/** Splits an `imageURI` that the schema has accepted. */
export function parseImageURI(uri: string): ImageURI {
  const volume = /^volume:([^/]+)\/(.+)$/.exec(uri);
  if (volume?.[1] && volume[2]) return { kind: 'volume', pool: volume[1], volume: volume[2] };
  return { kind: 'source', source: uri.startsWith('file:') ? fileURLToPath(uri) : uri };
}

/** Throws TerminalError ImageNotFound or ImageInvalid, TransientError ImageNotFound where a server may come back. */
export async function inspectImage(source: string, path: string, policy: Policy): Promise<ImageFacts> {
  const { header, key, sizeBytes, version } = /^https?:/.test(source)
    ? await readRemote(source, path, policy)
    : await readLocal(source, path);
  if (header.length >= 32 && header.subarray(0, 4).equals(Buffer.from('QFI\xfb', 'latin1'))) {
    refuseOtherFiles(header, source, path);
    const virtualSizeBytes = Number(header.readBigUInt64BE(24));
    refuseLarge(Math.max(virtualSizeBytes, sizeBytes ?? 0), policy, path);
    return { key, virtualSizeBytes };
  }
  refuseLarge(sizeBytes ?? 0, policy, path);
  // A boot sector signature: an MBR, or the protective MBR of a GPT.
  if (header.length >= HEADER_BYTES && header[510] === 0x55 && header[511] === 0xaa) {
    return { key, virtualSizeBytes: sizeBytes };
  }
  throw new TerminalError({
    code: 'ImageInvalid',
    path,
    message: `${shown(source)} is not a disk image: neither qcow2 nor raw with a partition table`,
    fix: 'name a qcow2 or raw disk image; convert others with: qemu-img convert -O qcow2 INPUT OUTPUT',
    ...(version === undefined ? {} : { missing: { kind: 'otherFile', path: source, version } }),
  });
}

/** A guest would read the file that the header names, with the rights of QEMU: any of the host, or another guest's disk. */
function refuseOtherFiles(header: Buffer, source: string, path: string): void {
  const backing = header.readBigUInt64BE(8) !== 0n;
  const external =
    header.readUInt32BE(4) >= 3 && header.length >= 80 && (header.readBigUInt64BE(72) & EXTERNAL_DATA) !== 0n;
  if (!backing && !external) return;
  throw new TerminalError({
    code: 'ImageInvalid',
    path,
    message: `${shown(source)} is an overlay: it names ${backing ? 'a backing file' : 'an external data file'} of its host`,
    fix: 'make one file of it: qemu-img convert -O qcow2 INPUT OUTPUT',
  });
}

function refuseLarge(bytes: number, { maxImageBytes }: Policy, path: string): void {
  if (bytes <= maxImageBytes) return;
  const GB = 1024 ** 3;
  throw new TerminalError({
    code: 'NotAllowed',
    path,
    message: `the image has ${(bytes / GB).toFixed(1)} GB, and at most ${maxImageBytes / GB} GB are allowed`,
    fix: 'use a smaller image, or have more allowed: --max-image-gb (CAPLV_MAX_IMAGE_GB)',
  });
}

function shown(source: string): string {
  return /^https?:/.test(source) ? withoutCredentials(source) : source;
}

interface ImageHeader {
  readonly header: Buffer;
  readonly key: string;
  readonly sizeBytes: number | undefined;
  /** Of a local file: which one it is. */
  readonly version?: string;
}

/** What tells one content of a file from another, without reading it. */
export function fileVersion({ size, mtimeMs }: Pick<Stats, 'size' | 'mtimeMs'>): string {
  return `${size} ${mtimeMs}`;
}

async function readLocal(file: string, path: string): Promise<ImageHeader> {
  try {
    const info = await stat(file);
    if (!info.isFile()) throw new Error('it is not a file');
    const handle = await open(file);
    try {
      const header = Buffer.alloc(HEADER_BYTES);
      const { bytesRead } = await handle.read(header, 0, HEADER_BYTES, 0);
      const key = longHash(`${file}\0${info.size}\0${info.mtimeMs}`);
      const version = fileVersion(info);
      return { header: header.subarray(0, bytesRead), key, sizeBytes: info.size, version };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const exhausted = outOfResources(error);
    if (exhausted) throw exhausted;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : message;
    throw new TerminalError({
      code: 'ImageNotFound',
      path,
      message: `cannot read the image ${file}: ${why}`,
      fix: 'correct the path, or make the file readable for you; it is read on the machine where caplv runs',
      missing: { kind: 'file', path: file },
      cause: error,
    });
  }
}

async function readRemote(url: string, path: string, policy: Policy): Promise<ImageHeader> {
  let response: Response;
  try {
    response = await allowedFetch(policy, url, path, { headers: { range: `bytes=0-${HEADER_BYTES - 1}` } });
  } catch (error) {
    if (error instanceof CaplvError) throw error;
    const exhausted = outOfResources(error);
    if (exhausted) throw exhausted;
    throw unreachable(url, path, error);
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new (isBusy(response) ? TransientError : TerminalError)({
      code: 'ImageNotFound',
      path,
      message: `${withoutCredentials(url)} answers ${statusText(response)}`,
      fix: 'check the URL',
      missing: { kind: 'url', url, holdMs: retryAfterMs(response) },
    });
  }
  let header: Buffer;
  try {
    header = await firstBytes(response);
  } catch (error) {
    throw unreachable(url, path, error);
  }
  const { headers } = response;
  const total =
    headers.get('content-range')?.split('/')[1] ??
    (response.status === 200 ? headers.get('content-length') : null);
  const version = headers.get('etag') ?? `${headers.get('last-modified')}\0${total}`;
  const known = total && total !== '*' ? Number(total) : undefined;
  const codes = { refused: 'ImageInvalid', unreachable: 'ImageNotFound' } as const;
  const sizeBytes = await requireLength({ url, known, path, policy, codes });
  return { header, key: longHash(`${url}\0${version}`), sizeBytes };
}

function unreachable(url: string, path: string, error: unknown): TransientError {
  return new TransientError({
    code: 'ImageNotFound',
    path,
    message: `cannot reach ${withoutCredentials(url)}: ${fetchFailure(error)}`,
    fix: 'check the URL and the network of the machine where caplv runs',
    missing: { kind: 'url', url },
    retryAfterMs: 30_000,
  });
}

async function firstBytes(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= HEADER_BYTES) break; // leaving the loop cancels the body: a server without ranges sends no more
  }
  return Buffer.concat(chunks).subarray(0, HEADER_BYTES);
}
