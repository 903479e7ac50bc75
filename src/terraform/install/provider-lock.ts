/**
 * Holds a provider against `.terraform.lock.hcl`, as `terraform init` holds what it installs. A warm provider is started without an init.
 * https://developer.hashicorp.com/terraform/language/files/dependency-lock
 */

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { TerminalError } from '../../errors.ts';

export interface LockedProvider {
  /** For example `dmacvicar/libvirt`, of any registry. */
  readonly name: string;
  readonly version: string;
}

/**
 * Accepts an executable only if the lock file has the hash of the directory that it lies in.
 * @throws TerminalError ProviderNotFound
 */
export async function requireLocked(
  executable: string,
  lockFile: string,
  provider: LockedProvider,
): Promise<void> {
  const hash = await packageHash(dirname(executable));
  const text = await readFile(lockFile, 'utf8').catch((cause: unknown) => {
    throw refusal(`the lock file ${lockFile} cannot be read`, cause);
  });
  if (lockedHashes(text, provider).includes(hash)) return;
  throw refusal(`${executable} has the hash ${hash}, which is not in the lock file ${lockFile}`);
}

/** Returns the hashes of all platforms (`h1:…`) for that version; empty if the lock file does not have it. */
export function lockedHashes(text: string, { name, version }: LockedProvider): string[] {
  const blocks = text.matchAll(/^provider "[^"/]+\/([^"]+)" \{$([\s\S]*?)^\}$/gm);
  return [...blocks]
    .filter(
      ([, named, body = '']) => named === name && /^ *version *= *"([^"]*)"$/m.exec(body)?.[1] === version,
    )
    .flatMap(([, , body = '']) => [...body.matchAll(/"(h1:[^"]+)"/g)].map(([, hash = '']) => hash));
}

/** Returns the hash of a directory as Go modules have it (`h1:`): of the SHA-256 and the name of each file, in the order of the names. */
export async function packageHash(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
  const all = createHash('sha256');
  for (const file of files) {
    const content = createHash('sha256').update(await readFile(join(directory, file)));
    all.update(`${content.digest('hex')}  ${file}\n`);
  }
  return `h1:${all.digest('base64')}`;
}

function refusal(why: string, cause?: unknown): TerminalError {
  return new TerminalError({
    code: 'ProviderNotFound',
    message: `The Terraform provider is not the one that is locked: ${why}`,
    fix: 'put the provider of the lock file into the mirror, or lock the one that is there: terraform providers lock -fs-mirror=DIR',
    cause,
  });
}
