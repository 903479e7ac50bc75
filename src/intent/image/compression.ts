/** Recognises compressed files by their first bytes, whatever their names say. Pure. */

export type Compression = 'gzip' | 'xz' | 'zstd' | 'bzip2';

/** Bytes of a file that are needed. */
const MAGIC_BYTES = 10;

/** By how a file begins, in hexadecimal digits. */
const MAGIC: Readonly<Record<Compression, RegExp>> = {
  gzip: /^1f8b08/,
  xz: /^fd377a585a00/,
  // A frame with content, or one that is to be skipped, which `pzstd` writes first.
  zstd: /^(28b52ffd|5[0-9a-f]2a4d18)/,
  // A block begins with the digits of pi, and the end of a file with those of its square root.
  bzip2: /^425a683[1-9](314159265359|177245385090)/,
};

/** Returns how a file is compressed that begins with these bytes; undefined: it is not, in a way that is known here. */
export function compressionOf(header: Buffer): Compression | undefined {
  const start = header.toString('hex', 0, MAGIC_BYTES);
  return (Object.keys(MAGIC) as Compression[]).find((one) => MAGIC[one].test(start));
}

/** Returns what the file is called that is made of another one when it is imported: unpacked, and converted to qcow2. */
export function importedName(name: string): string {
  return name.replace(/(?<=.)\.(gz|xz|zst|zstd|bz2)$/i, '').replace(/(?<=.)\.(vmdk|vhdx|vdi)$/i, '.qcow2');
}
