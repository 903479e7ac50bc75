/** Reads bootstrap data from files and servers. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { CaplvError, outOfResources, TerminalError, TransientError } from '../errors.ts';
import { allowedFetch, fetchFailure, isBusy, readUpTo, retryAfterMs, statusText } from './allowed-fetch.ts';
import { MAX_USER_DATA_BYTES, textOf } from './bootstrap-text.ts';
import { lengthOf, requireLength } from './image.ts';
import { shortHash } from './names.ts';
import type { Policy } from './policy.ts';

/** ISO 9660: the volume descriptor follows 16 sectors of 2 KiB. */
const ISO_MAGIC_OFFSET = 32_769;

export function localPath(uri: string): string | undefined {
  if (/^https?:/.test(uri)) return undefined;
  return uri.startsWith('file:') ? fileURLToPath(uri) : uri;
}

export async function isIso(uri: string): Promise<boolean> {
  const file = localPath(uri);
  if (file === undefined) return /\.iso([?#]|$)/i.test(uri);
  // Devices and pipes may have no end, or block the reader.
  const isFile = (await stat(file).catch(() => undefined))?.isFile();
  const handle = isFile ? await open(file).catch(() => undefined) : undefined;
  if (!handle) return false;
  try {
    const magic = Buffer.alloc(5);
    await handle.read(magic, 0, 5, ISO_MAGIC_OFFSET);
    return magic.toString('latin1') === 'CD001';
  } catch {
    return false; // a directory, say: reading it as text tells the reason
  } finally {
    await handle.close();
  }
}

/** Returns a digest of a local file, or of the URL of a remote one, which only the provider fetches. */
export async function isoKey(iso: string): Promise<string> {
  if (/^https?:/.test(iso)) return shortHash(iso);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(iso)) hash.update(chunk);
  return hash.digest('hex').slice(0, 10);
}

export async function readBytes(uri: string, path: string, policy: Policy): Promise<Buffer> {
  const file = localPath(uri);
  const bytes = file === undefined ? await fetchBytes(uri, path, policy) : await readFileBytes(file, path);
  const isText = bytes.length <= MAX_USER_DATA_BYTES && !textOf(bytes, path)?.includes('\0');
  if (!isText) throw notText(file ?? new URL(uri).host, path);
  return bytes;
}

function notText(where: string, path: string): TerminalError {
  return new TerminalError({
    code: 'InvalidConfiguration',
    path,
    message: `${where} holds no text of at most ${MAX_USER_DATA_BYTES / 1024 / 1024} MiB`,
    fix: 'name cloud-init text (or Ignition JSON), or a ready seed ISO',
  });
}

async function readFileBytes(file: string, path: string): Promise<Buffer> {
  const found = await stat(file).catch(() => undefined);
  // A device or pipe may have no end. Reading a directory tells the reason.
  const isText = found?.isDirectory() || (found?.isFile() && found.size <= MAX_USER_DATA_BYTES);
  if (found && !isText) throw notText(file, path);
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    const exhausted = outOfResources(error);
    if (exhausted) throw exhausted;
    throw new TerminalError({
      code: 'UserDataNotFound',
      path,
      message: `cannot read ${file}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`,
      fix: 'correct the path, or make the file readable for you; a relative path starts at the manifest',
      missing: { kind: 'file', path: file },
      cause: error,
    });
  });
}

/** Throws for a URL that the controller could not pass on to the host. */
export async function requireFetchable(url: string, path: string, policy: Policy): Promise<void> {
  const response = await fetchAllowed(url, path, policy, { range: 'bytes=0-0' });
  await response.body?.cancel();
  requireLength(lengthOf(response), { url, path, code: 'InvalidConfiguration' });
}

/** Fetches at most one byte more than the limit, which is enough to refuse it. */
async function fetchBytes(url: string, path: string, policy: Policy): Promise<Buffer> {
  const response = await fetchAllowed(url, path, policy);
  try {
    return (await readUpTo(response, MAX_USER_DATA_BYTES + 1)).subarray(0, MAX_USER_DATA_BYTES + 1);
  } catch (error) {
    throw new TransientError({
      code: 'UserDataNotFound',
      path,
      message: `cannot read all that ${new URL(url).host} sends: ${fetchFailure(error)}`,
      fix: 'see how the server answers: curl URL',
      retryAfterMs: 30_000,
    });
  }
}

async function fetchAllowed(
  url: string,
  path: string,
  policy: Policy,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { host } = new URL(url);
  const response = await allowedFetch(policy, url, path, { headers }).catch((error: Error) => {
    if (error instanceof CaplvError) throw error;
    throw new TransientError({
      code: 'UserDataNotFound',
      path,
      message: `cannot reach ${host}: ${fetchFailure(error)}`,
      fix: 'check the URL',
      missing: { kind: 'url', url },
    });
  });
  if (response.ok) return response;
  await response.body?.cancel();
  throw new (isBusy(response) ? TransientError : TerminalError)({
    code: 'UserDataNotFound',
    path,
    message: `${host} answers ${statusText(response)}`,
    fix: 'check the URL',
    missing: { kind: 'url', url, holdMs: retryAfterMs(response) },
  });
}
