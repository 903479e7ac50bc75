/**
 * Checks an image before it is imported: that it exists, is a disk image, and how large its disk is.
 */

import type { Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  CaplvError,
  type ErrorCode,
  type Missing,
  outOfResources,
  TerminalError,
  TransientError,
} from '../errors.ts';
import {
  allowedFetch,
  fetchFailure,
  isBusy,
  readUpTo,
  retryAfterMs,
  statusText,
  withoutCredentials,
} from './allowed-fetch.ts';
import { compressionOf } from './image/compression.ts';
import { convertedFormatOf, HEADER_BYTES, refuseLarge, requireImage } from './image/header.ts';
import { longHash } from './names.ts';
import type { Policy } from './policy.ts';

/** Describes an `imageURI`. */
export type ImageURI =
  | { readonly kind: 'volume'; readonly pool: string; readonly volume: string }
  /** `source` is what the Terraform provider takes: a path or an http(s) URL. */
  | { readonly kind: 'source'; readonly source: string };

export interface ImageFacts {
  /** Identity of the content: changes when the file or the resource behind the URL does. */
  readonly key: string;
  /** Bytes of the disk in the image; undefined where nothing says so without reading all of it, as of one that is compressed or to be converted. */
  readonly virtualSizeBytes: number | undefined;
}

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
  if (compressionOf(header) !== undefined || convertedFormatOf(header) !== undefined) {
    refuseLarge(sizeBytes ?? 0, policy, path);
    return { key, virtualSizeBytes: undefined };
  }
  const missing: Missing | undefined =
    version === undefined ? undefined : { kind: 'otherFile', path: source, version };
  const virtualSizeBytes = requireImage(header, sizeBytes, { shown: shown(source), path, policy, missing });
  return { key, virtualSizeBytes };
}

/** Returns a path or URL without its secrets. */
export function shown(source: string): string {
  return /^https?:/.test(source) ? withoutCredentials(source) : source;
}

interface ImageHeader {
  readonly header: Buffer;
  readonly key: string;
  readonly sizeBytes: number | undefined;
  /** Identifies the content of a local file. */
  readonly version?: string;
}

/** Returns a text that changes with the content of a file, without reading it. */
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
    throw unreadable(file, path, error);
  }
}

/** Makes the error for a file that cannot be read. `what` it is: by default an image. */
export function unreadable(file: string, path: string, error: unknown, what = 'image'): CaplvError {
  const exhausted = outOfResources(error);
  if (exhausted) return exhausted;
  const { code, message } = error as NodeJS.ErrnoException;
  const why = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : message;
  return new TerminalError({
    code: 'ImageNotFound',
    path,
    message: `cannot read the ${what} ${file}: ${why}`,
    fix: 'correct the path, or make the file readable for you; it is read on the machine where caplv runs',
    missing: { kind: 'file', path: file },
    cause: error,
  });
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
    // A server without ranges sends no more than that either.
    header = (await readUpTo(response, HEADER_BYTES)).subarray(0, HEADER_BYTES);
  } catch (error) {
    throw unreachable(url, path, error);
  }
  const { headers } = response;
  const total = lengthOf(response);
  const version = headers.get('etag') ?? `${headers.get('last-modified')}\0${total ?? null}`;
  const sizeBytes = requireLength(total, { url, path, code: 'ImageInvalid' });
  return { header, key: longHash(`${url}\0${version}`), sizeBytes };
}

/** Returns the length of the whole file, as the server reports it. */
export function lengthOf({ headers, status }: Pick<Response, 'headers' | 'status'>): string | undefined {
  const part = headers.get('content-range')?.split('/')[1];
  return part ?? (status === 200 ? (headers.get('content-length') ?? undefined) : undefined);
}

/** The bytes that a server says that it will send. @throws TerminalError with `code`: Terraform makes a volume of that size first */
export function requireLength(
  text: string | undefined,
  { url, path, code }: { readonly url: string; readonly path: string; readonly code: ErrorCode },
): number {
  if (text && /^[1-9]\d{0,15}$/.test(text)) return Number(text);
  throw new TerminalError({
    code,
    path,
    message: `${withoutCredentials(url)} does not say how long the file is`,
    fix: 'use a server that sends a Content-Length, or a file',
  });
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
