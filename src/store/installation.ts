/**
 * The identity of a state directory: part of the names of what its machines share on a host, so that two state
 * directories (or a cluster and a laptop) that use one libvirt host never take each other's volumes for their own.
 */

import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CaplvError, messageOf, outOfResources, TerminalError } from '../errors.ts';
import { createAtomically, syncFile } from '../system/atomic-file.ts';
import { readIfThere, requireOwnDirectory } from '../system/private-files.ts';

/** Reads the identity of `stateDir`, making directory and identity at first use. Throws TerminalError StateDirNotWritable. */
export async function installationId(stateDir: string): Promise<string> {
  const file = join(stateDir, 'installation-id');
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await requireOwnDirectory(stateDir);
    const known = await readIfThere(file);
    if (known !== undefined) return identityIn(known, file);
    // Of two processes that start at once both read the same identity.
    await createAtomically(file, `${randomUUID()}\n`);
    await syncFile(file);
    return identityIn(await readFile(file, 'utf8'), file);
  } catch (error) {
    throw error instanceof CaplvError ? error : notWritable(stateDir, error);
  }
}

/** Another identity would give all that is on the hosts other names: a file that lost its content is never written again. */
function identityIn(text: string, file: string): string {
  const id = text.trim();
  if (id !== '') return id;
  throw new TerminalError({
    code: 'StateDirNotWritable',
    message: `${file} is empty: it held the identity by which this state directory finds its volumes and domains`,
    fix: `bring it back from a backup, or write the UUID into it that the marks of your domains have (virsh desc DOMAIN)`,
  });
}

export function notWritable(stateDir: string, error: unknown): CaplvError {
  const exhausted = outOfResources(error);
  if (exhausted) return exhausted;
  return new TerminalError({
    code: 'StateDirNotWritable',
    message: `cannot use the state directory ${stateDir}: ${messageOf(error)}`,
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
