/** Small texts that become large ones, each packed once, and only for a campaign that draws it. */

import { gzipSync } from 'node:zlib';

/** Four times the largest text that anything of ours unpacks, the state of a machine. */
const LARGE = 64 * 2 ** 20;
const NESTED = 15 * 2 ** 20;

const packed = new Map<string, Buffer>();

/** Returns 64 MiB of zeros, packed. */
export function zerosPacked(): Buffer {
  return once('zeros', () => Buffer.alloc(LARGE));
}

/** Returns 15 MiB of lists within each other, packed: below the limit of a state. */
export function bracketsPacked(): Buffer {
  return once('brackets', () => Buffer.alloc(NESTED, '['));
}

function once(name: string, make: () => Buffer): Buffer {
  const bytes = packed.get(name) ?? gzipSync(make(), { level: 1 });
  packed.set(name, bytes);
  return bytes;
}
