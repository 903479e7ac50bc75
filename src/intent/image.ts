/**
 * Looks at an image before anything is imported: that it is there, is a disk image, and how large the disk in it is.
 * Formats: qcow2 (https://www.qemu.org/docs/master/interop/qcow2.html) and raw with a partition table.
 */

import { open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Terminal, Transient } from '../errors.ts';
import { shortHash } from './names.ts';

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
const HTTP_TIMEOUT_MS = 15_000;

/** Splits an `imageURI` that the schema has accepted. */
export function parseImageURI(uri: string): ImageURI {
  const volume = /^volume:([^/]+)\/(.+)$/.exec(uri);
  if (volume?.[1] && volume[2]) return { kind: 'volume', pool: volume[1], volume: volume[2] };
  return { kind: 'source', source: uri.startsWith('file:') ? fileURLToPath(uri) : uri };
}

/** Throws Terminal ImageNotFound or ImageInvalid, Transient ImageNotFound where a server may come back. */
export async function inspectImage(source: string, path: string): Promise<ImageFacts> {
  const { header, key, sizeBytes } = /^https?:/.test(source)
    ? await readRemote(source, path)
    : await readLocal(source, path);
  if (header.length >= 32 && header.subarray(0, 4).equals(Buffer.from('QFI\xfb', 'latin1'))) {
    return { key, virtualSizeBytes: Number(header.readBigUInt64BE(24)) };
  }
  // A boot sector signature: an MBR, or the protective MBR of a GPT.
  if (header.length >= HEADER_BYTES && header[510] === 0x55 && header[511] === 0xaa) {
    return { key, virtualSizeBytes: sizeBytes };
  }
  throw new Terminal({
    code: 'ImageInvalid',
    path,
    message: `${source} is not a disk image: neither qcow2 nor raw with a partition table`,
    fix: 'name a qcow2 or raw disk image; convert others with: qemu-img convert -O qcow2 INPUT OUTPUT',
  });
}

interface ImageHeader {
  readonly header: Buffer;
  readonly key: string;
  readonly sizeBytes: number | undefined;
}

async function readLocal(file: string, path: string): Promise<ImageHeader> {
  try {
    const info = await stat(file);
    if (!info.isFile()) throw new Error('it is not a file');
    const handle = await open(file);
    try {
      const header = Buffer.alloc(HEADER_BYTES);
      const { bytesRead } = await handle.read(header, 0, HEADER_BYTES, 0);
      const key = shortHash(`${file}\0${info.size}\0${info.mtimeMs}`);
      return { header: header.subarray(0, bytesRead), key, sizeBytes: info.size };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : message;
    throw new Terminal({
      code: 'ImageNotFound',
      path,
      message: `cannot read the image ${file}: ${why}`,
      fix: 'correct the path, or make the file readable for you; it is read on the machine where caplv runs',
      cause: error,
    });
  }
}

async function readRemote(url: string, path: string): Promise<ImageHeader> {
  let response: Response;
  try {
    response = await fetch(url, {
      headers: { range: `bytes=0-${HEADER_BYTES - 1}` },
      signal: AbortSignal.timeout(HTTP_TIMEOUT_MS),
    });
  } catch (error) {
    const cause = (error as Error).cause;
    throw new Transient({
      code: 'ImageNotFound',
      path,
      message: `cannot reach ${withoutCredentials(url)}: ${cause instanceof Error ? cause.message : (error as Error).message}`,
      fix: 'check the URL and the network of the machine where caplv runs',
      retryAfterMs: 30_000,
    });
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new (response.status >= 500 ? Transient : Terminal)({
      code: 'ImageNotFound',
      path,
      message: `${withoutCredentials(url)} answers ${response.status} ${response.statusText}`,
      fix: 'check the URL',
    });
  }
  const header = await firstBytes(response);
  const { headers } = response;
  const total =
    headers.get('content-range')?.split('/')[1] ??
    (response.status === 200 ? headers.get('content-length') : null);
  const version = headers.get('etag') ?? `${headers.get('last-modified')}\0${total}`;
  return {
    header,
    key: shortHash(`${url}\0${version}`),
    sizeBytes: total && total !== '*' ? Number(total) : undefined,
  };
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

function withoutCredentials(url: string): string {
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  parsed.search = '';
  return parsed.href;
}
