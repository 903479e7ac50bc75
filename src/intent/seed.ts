/**
 * Bootstrap data: reads what the manifest names, renders its variables and makes the seed of it. The contents are secret.
 * NoCloud: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SeedIntent } from '../../stacks/intent.ts';
import { CaplvError, outOfResources, Terminal, Transient } from '../errors.ts';
import { allowedFetch, fetchFailure, isBusy, retryAfterMs, statusText } from './allowed-fetch.ts';
import { MAX_USER_DATA_BYTES, requireText, textOf } from './bootstrap-text.ts';
import { requireHeader, requireNetworkConfig } from './cloud-init.ts';
import { type MachineIdentity, shortHash, volumeName } from './names.ts';
import type { Policy } from './policy.ts';
import { requireLength } from './remote-length.ts';
import { renderVariables, type UserDataVariables } from './user-data.ts';

/** The fields of a provider spec (or a bootstrap Secret) that say what the guest reads at its first boot. */
export interface BootstrapSource {
  /** As bytes: of a Secret, which may hold any. */
  readonly userData?: string | Uint8Array | undefined;
  readonly userDataURI?: string | undefined;
  readonly networkConfig?: string | undefined;
  readonly ignition?: string | Uint8Array | undefined;
  readonly ignitionURI?: string | undefined;
}

export interface SeedOptions {
  readonly machine: MachineIdentity;
  readonly pool: string;
  readonly variables: UserDataVariables;
  /** Where `source` stands in the manifest, for errors. */
  readonly path: string;
  /** Where servers may redirect to. */
  readonly policy: Policy;
  /** Field of `userData` or `ignition`, where that is not one below `path`: the one that names a Secret. */
  readonly dataPath?: string;
  /** The data is of a format that neither cloud-init nor Ignition reads: it may begin with anything. */
  readonly isForeign?: boolean;
}

/** ISO 9660: the volume descriptor follows 16 sectors of 2 KiB. */
const ISO_MAGIC_OFFSET = 32_769;

/** Throws Terminal UserDataNotFound or InvalidConfiguration, Transient UserDataNotFound for a server that fails. */
export async function seedOf(source: BootstrapSource, options: SeedOptions): Promise<SeedIntent> {
  const { machine, pool, path, policy, dataPath } = options;
  if (source.ignition !== undefined || source.ignitionURI !== undefined) {
    const field = source.ignition === undefined ? `${path}.ignitionURI` : (dataPath ?? `${path}.ignition`);
    const text = requireText(
      source.ignition ?? (await readBytes(source.ignitionURI ?? '', field, policy)),
      field,
    );
    const content = renderVariables(text, options.variables, field);
    requireJson(content, field);
    return { kind: 'ignition', volume: volumeName(machine, `seed-${shortHash(content)}.ign`), pool, content };
  }
  if (source.userDataURI !== undefined && (await isIso(source.userDataURI))) {
    const file = localPath(source.userDataURI);
    const iso = file ?? source.userDataURI;
    // The provider fetches it, and follows wherever it is sent.
    if (file === undefined) await requireFetchable(iso, `${path}.userDataURI`, policy);
    // The volume's name stands for its content: another ISO is another volume.
    return { kind: 'iso', volume: volumeName(machine, `seed-${await isoKey(iso)}.iso`), pool, source: iso };
  }
  return {
    kind: 'cloudinit',
    volume: volumeName(machine, 'seed.iso'),
    pool,
    ...(await userDataOf(source, options)),
    metaData: metaData(machine),
    ...(source.networkConfig === undefined
      ? {}
      : { networkConfig: networkConfigOf(source.networkConfig, options) }),
  };
}

type UserData = Pick<Extract<SeedIntent, { kind: 'cloudinit' }>, 'userData' | 'userDataEncoding'>;

/** Text, with its variables filled in. What is no text is passed on as it is, if it comes from a Secret. */
async function userDataOf(source: BootstrapSource, options: SeedOptions): Promise<UserData> {
  const { path, policy, variables, dataPath, isForeign = false } = options;
  const { userData, userDataURI } = source;
  const field = userDataURI === undefined ? (dataPath ?? `${path}.userData`) : `${path}.userDataURI`;
  const content = userData ?? (userDataURI ? await readBytes(userDataURI, field, policy) : '#cloud-config\n');
  const isBytes = userData instanceof Uint8Array && textOf(userData, field) === undefined;
  const bytes = isBytes ? Buffer.from(userData) : undefined;
  const text = bytes?.toString('latin1') ?? renderVariables(requireText(content, field), variables, field);
  if (!isForeign) requireHeader(text, field);
  return bytes ? { userData: bytes.toString('base64'), userDataEncoding: 'base64' } : { userData: text };
}

function networkConfigOf(source: string, { path, variables }: SeedOptions): string {
  const field = `${path}.networkConfig`;
  const text = renderVariables(requireText(source, field), variables, field);
  requireNetworkConfig(text, field);
  return text;
}

async function requireFetchable(url: string, path: string, policy: Policy): Promise<void> {
  await (await fetchAllowed(url, path, policy)).body?.cancel();
  const codes = { refused: 'InvalidConfiguration', unreachable: 'UserDataNotFound' } as const;
  await requireLength({ url, path, policy, codes });
}

/** JSON is YAML, and quoting is settled. */
function metaData(machine: MachineIdentity): string {
  return `${JSON.stringify({ 'instance-id': machine.uid, 'local-hostname': machine.name })}\n`;
}

function localPath(uri: string): string | undefined {
  if (/^https?:/.test(uri)) return undefined;
  return uri.startsWith('file:') ? fileURLToPath(uri) : uri;
}

async function isIso(uri: string): Promise<boolean> {
  const file = localPath(uri);
  if (file === undefined) return /\.iso([?#]|$)/i.test(uri);
  // Others may give bytes without end, or make the reader wait for them.
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

/** A digest of a local file; of a remote one only its URL, as fetching it is the provider's work. */
async function isoKey(iso: string): Promise<string> {
  if (/^https?:/.test(iso)) return shortHash(iso);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(iso)) hash.update(chunk);
  return hash.digest('hex').slice(0, 10);
}

async function readBytes(uri: string, path: string, policy: Policy): Promise<Buffer> {
  const file = localPath(uri);
  const bytes = file === undefined ? await fetchBytes(uri, path, policy) : await readFileBytes(file, path);
  const isText = bytes.length <= MAX_USER_DATA_BYTES && !textOf(bytes, path)?.includes('\0');
  if (!isText) throw notText(file ?? new URL(uri).host, path);
  return bytes;
}

function notText(where: string, path: string): Terminal {
  return new Terminal({
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
    throw new Terminal({
      code: 'UserDataNotFound',
      path,
      message: `cannot read ${file}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`,
      fix: 'correct the path, or make the file readable for you; a relative path starts at the manifest',
      missing: { kind: 'file', path: file },
      cause: error,
    });
  });
}

/** One byte more than is taken, at most: then it is known to be too much. */
async function fetchBytes(url: string, path: string, policy: Policy): Promise<Buffer> {
  const { body } = await fetchAllowed(url, path, policy);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_USER_DATA_BYTES) break; // leaving the loop cancels the body
  }
  return Buffer.concat(chunks).subarray(0, MAX_USER_DATA_BYTES + 1);
}

async function fetchAllowed(url: string, path: string, policy: Policy): Promise<Response> {
  const { host } = new URL(url);
  const response = await allowedFetch(policy, url, path).catch((error: Error) => {
    if (error instanceof CaplvError) throw error;
    throw new Transient({
      code: 'UserDataNotFound',
      path,
      message: `cannot reach ${host}: ${fetchFailure(error)}`,
      fix: 'check the URL',
      missing: { kind: 'url', url },
    });
  });
  if (response.ok) return response;
  await response.body?.cancel();
  throw new (isBusy(response) ? Transient : Terminal)({
    code: 'UserDataNotFound',
    path,
    message: `${host} answers ${statusText(response)}`,
    fix: 'check the URL',
    missing: { kind: 'url', url, holdMs: retryAfterMs(response) },
  });
}

function requireJson(content: string, path: string): void {
  try {
    JSON.parse(content);
  } catch {
    // The parser's message quotes the text, which is secret.
    throw new Terminal({
      code: 'InvalidConfiguration',
      path,
      message: 'the Ignition configuration is not JSON',
      fix: 'convert Butane YAML with: butane --strict config.bu',
    });
  }
}
