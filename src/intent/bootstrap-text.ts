/** Decodes bootstrap data. Binary data is refused or passed on unchanged, and never converted to other text. */

import { TerminalError } from '../errors.ts';
import { zlib } from '../system/node-modules.ts';

/** cloud-init reads at most this much from a seed without complaint; Cluster API data is far below. */
export const MAX_USER_DATA_BYTES = 16 * 1024 * 1024;

/** Returns the text of `bytes`, unpacked if they are gzip. Undefined: they are not UTF-8. Throws for broken or huge gzip. */
export function textOf(bytes: Uint8Array, path: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(unpacked(bytes, path));
  } catch (error) {
    if (error instanceof TerminalError) throw error;
    return undefined;
  }
}

/** As `textOf`. @throws TerminalError InvalidConfiguration with `path` for what is not UTF-8. */
export function requireText(value: string | Uint8Array, path: string): string {
  const text = typeof value === 'string' ? value : textOf(value, path);
  // JSON and YAML can contain half of a surrogate pair, which would be written as another character.
  if (text?.isWellFormed()) return text;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path,
    message: 'this is not UTF-8 text',
    fix: 'save it as UTF-8; it may be packed with gzip',
  });
}

/** Returns true for gzip. */
export function isPacked(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function unpacked(bytes: Uint8Array, path: string): Uint8Array {
  if (!isPacked(bytes)) return bytes;
  try {
    return zlib().gunzipSync(bytes, { maxOutputLength: MAX_USER_DATA_BYTES });
  } catch (error) {
    const isLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path,
      message: isLarge
        ? `this unpacks to more than ${MAX_USER_DATA_BYTES / 1024 / 1024} MiB`
        : 'this begins like gzip, and cannot be unpacked',
      fix: isLarge
        ? 'let the guest fetch what is large'
        : 'compress it again with gzip, or give the text itself',
    });
  }
}
