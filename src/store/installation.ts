/**
 * The identity of a state directory: part of the names of what its machines share on a host, so that two state
 * directories (or a cluster and a laptop) that use one libvirt host never take each other's volumes for their own.
 */

import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CaplvError, outOfResources, TerminalError } from '../errors.ts';

/** Reads the identity of `stateDir`, making directory and identity at first use. Throws TerminalError StateDirNotWritable. */
export async function installationId(stateDir: string): Promise<string> {
  const file = join(stateDir, 'installation-id');
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const known = await readFile(file, 'utf8').catch(() => undefined);
    if (known !== undefined) return known.trim();
    // Written whole, then linked: of two processes that start at once both read the same identity.
    const draft = `${file}.${process.pid}`;
    await writeFile(draft, `${randomUUID()}\n`, { mode: 0o600 });
    await link(draft, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await rm(draft);
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw notWritable(stateDir, error);
  }
}

export function notWritable(stateDir: string, error: unknown): CaplvError {
  const exhausted = outOfResources(error);
  if (exhausted) return exhausted;
  return new TerminalError({
    code: 'StateDirNotWritable',
    message: `cannot use the state directory ${stateDir}: ${(error as Error).message}`,
    fix: 'make it writable for you, or name another with --state-dir (CAPLV_STATE_DIR)',
    cause: error,
  });
}

/** A UUID (version 5 layout, RFC 9562) that is always the same for the same installation and name. */
export function derivedUuid(installation: string, name: string): string {
  const hash = createHash('sha1').update(installation).update('\0').update(name).digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
