import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export const CHECKSUMS = 'SHA256SUMS';

/** Lists the SHA-256 of every file of a directory but the list itself, as `sha256sum --check` reads it. */
export async function checksums(directory: string): Promise<string> {
  const lines = [];
  for (const name of (await readdir(directory)).sort()) {
    if (name === CHECKSUMS) continue;
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(directory, name)), hash);
    lines.push(`${hash.digest('hex')}  ${name}\n`);
  }
  return lines.join('');
}
