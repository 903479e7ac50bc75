/** Resolves `imageChecksum`: a digest, or a checksum file such as SHA256SUMS that has one for the image. */

import { constants, type FileHandle, open } from 'node:fs/promises';
import { posix } from 'node:path';
import { CaplvError, outOfResources, TerminalError, TransientError } from '../errors.ts';
import {
  allowedFetch,
  fetchFailure,
  isBusy,
  readUpTo,
  retryAfterMs,
  statusText,
  withoutCredentials,
} from './allowed-fetch.ts';
import { localPath } from './bootstrap-source.ts';
import { findChecksums, formatChecksum, parseChecksum } from './image/checksum.ts';
import { unreadable } from './image.ts';
import { notAllowed, type Policy } from './policy.ts';

/** Bytes of a checksum file. Those of distributions have some 100 KiB. */
const MAX_CHECKSUM_BYTES = 1024 ** 2;

/**
 * Returns `sha256:…` or `sha512:…` for the image `source`, which `imageChecksum` has itself or names a file for.
 * @param path of the field, for errors
 * @throws TerminalError ImageInvalid for a file without a digest of the image; both classes ImageNotFound for one that cannot be read;
 * TerminalError NotAllowed
 */
export async function resolveChecksum(
  imageChecksum: string,
  source: string,
  path: string,
  policy: Policy,
): Promise<string> {
  const given = parseChecksum(imageChecksum);
  if (given) return formatChecksum(given);
  const file = localPath(imageChecksum);
  const list =
    file === undefined ? await fetchList(imageChecksum, path, policy) : await readList(file, path, policy);
  const found = findChecksums(list, fileNameOf(source));
  const shown = file ?? withoutCredentials(imageChecksum);
  if (found.length === 1 && found[0]) return formatChecksum(found[0]);
  const problem = found.length === 0 ? 'no SHA-256 or SHA-512 of' : 'several digests of';
  throw new TerminalError({
    code: 'ImageInvalid',
    path,
    message: `${shown} has ${problem} ${fileNameOf(source)}`,
    fix: 'name a checksum file that lists the image by its file name, or write the digest itself: sha256:…',
    ...(file !== undefined && { missing: { kind: 'file', path: file } as const }),
  });
}

/** The last part of its path. */
function fileNameOf(source: string): string {
  if (!/^https?:/.test(source)) return posix.basename(source);
  return decodeURIComponent(posix.basename(new URL(source).pathname));
}

/** The file that was opened is the one that is held against the policy. */
async function readList(file: string, path: string, policy: Policy): Promise<string> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await policy.file(`/proc/self/fd/${handle.fd}`)))
        throw notAllowed(path, `the file ${file} of the machine where caplv runs`, file);
      const { size } = await requireFile(handle);
      requireShort(size, file, path);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof CaplvError) throw error;
    throw unreadable(file, path, error, 'checksum file');
  }
}

async function requireFile(handle: FileHandle) {
  const info = await handle.stat();
  if (!info.isFile()) throw new Error('it is not a file');
  return info;
}

async function fetchList(url: string, path: string, policy: Policy): Promise<string> {
  const shown = withoutCredentials(url);
  const details = { code: 'ImageNotFound', path, fix: 'check the URL' } as const;
  const unreachable = (error: unknown) =>
    outOfResources(error) ??
    new TransientError({
      ...details,
      message: `cannot read ${shown}: ${fetchFailure(error)}`,
      missing: { kind: 'url', url },
      retryAfterMs: 30_000,
    });
  const response = await allowedFetch(policy, url, path).catch((error: unknown) => {
    throw error instanceof CaplvError ? error : unreachable(error);
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new (isBusy(response) ? TransientError : TerminalError)({
      ...details,
      message: `${shown} answers ${statusText(response)}`,
      missing: { kind: 'url', url, holdMs: retryAfterMs(response) },
    });
  }
  const list = await readUpTo(response, MAX_CHECKSUM_BYTES + 1).catch((error: unknown) => {
    throw unreachable(error);
  });
  requireShort(list.length, shown, path);
  return list.toString('utf8');
}

function requireShort(bytes: number, shown: string, path: string): void {
  if (bytes <= MAX_CHECKSUM_BYTES) return;
  throw new TerminalError({
    code: 'ImageInvalid',
    path,
    message: `${shown} is no checksum file: it has more than ${MAX_CHECKSUM_BYTES} bytes`,
    fix: 'name a file such as SHA256SUMS, or write the digest itself: sha256:…',
  });
}
