/** Reads digests of images, and the checksum files, such as SHA256SUMS, that list them. Pure. */

import { posix } from 'node:path';

/** A digest of a file, in lower-case hexadecimal digits. */
export interface Checksum {
  readonly algorithm: 'sha256' | 'sha512';
  readonly digest: string;
}

const ALGORITHM_OF_LENGTH: Readonly<Record<number, Checksum['algorithm']>> = { 64: 'sha256', 128: 'sha512' };

/** Reads `sha256:…` or `sha512:…`; undefined: it is another text. */
export function parseChecksum(text: string): Checksum | undefined {
  const [, algorithm, digest = ''] = /^(sha256|sha512):([0-9a-f]+)$/i.exec(text) ?? [];
  const known = ALGORITHM_OF_LENGTH[digest.length];
  return known !== undefined && known === algorithm?.toLowerCase()
    ? { algorithm: known, digest: digest.toLowerCase() }
    : undefined;
}

/** Returns the text that `parseChecksum` reads. */
export function formatChecksum({ algorithm, digest }: Checksum): string {
  return `${algorithm}:${digest}`;
}

/**
 * Finds the digests of a file name in a checksum file: lines of `sha256sum` and `sha512sum`, or of BSD's (`SHA256 (NAME) = …`), or
 * one digest alone. Of SHA-512 and SHA-256 the former counts. More than one: they differ.
 */
export function findChecksums(list: string, fileName: string): Checksum[] {
  const lines = list.split(/\r?\n/);
  const named = lines.flatMap((line) => readLine(line) ?? []);
  const own = named.filter(({ name }) => posix.basename(name) === fileName);
  const [alone = '', ...more] = lines.map((line) => line.trim()).filter((line) => line !== '');
  const digests =
    own.length === 0 && more.length === 0 ? [alone.toLowerCase()] : own.map(({ digest }) => digest);
  const all = [...new Set(digests)].flatMap((digest): Checksum[] => {
    const algorithm = /^[0-9a-f]+$/.test(digest) ? ALGORITHM_OF_LENGTH[digest.length] : undefined;
    return algorithm ? [{ algorithm, digest }] : [];
  });
  const strong = all.filter(({ algorithm }) => algorithm === 'sha512');
  return strong.length > 0 ? strong : all;
}

function readLine(line: string): { readonly name: string; readonly digest: string } | undefined {
  const [, bsdName, bsdDigest] = /^SHA(?:256|512) \((.+)\) = ([0-9a-fA-F]+)$/.exec(line) ?? [];
  if (bsdName && bsdDigest) return { name: bsdName, digest: bsdDigest.toLowerCase() };
  const [, digest, name] = /^([0-9a-fA-F]+) [ *](.+)$/.exec(line) ?? [];
  return name && digest ? { name, digest: digest.toLowerCase() } : undefined;
}
