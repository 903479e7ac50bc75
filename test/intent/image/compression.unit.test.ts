/** Verifies how compressed files are told from others. */

import { describe, expect, it } from 'vitest';
import { compressionOf, importedName } from '../../../src/intent/image/compression.ts';

describe('a file', () => {
  it.each([
    ['1f8b0800', 'gzip'],
    ['fd377a585a00', 'xz'],
    ['28b52ffd', 'zstd'],
    ['502a4d18', 'zstd'],
    ['5f2a4d18', 'zstd'],
    ['425a6839314159265359', 'bzip2'],
    ['425a6831177245385090', 'bzip2'],
    // Others, and beginnings that are cut off.
    ['1f8b', undefined],
    ['514649fb', undefined],
    ['425a6839', undefined],
    ['425a6830314159265359', undefined],
    ['504b0304', undefined],
    ['', undefined],
  ] as const)('that begins with %s', (hex, compression) => {
    expect(compressionOf(Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(hex ? 502 : 0)]))).toBe(
      compression,
    );
  });
});

it.each([
  ['disk.qcow2.xz', 'disk.qcow2'],
  ['disk.raw.GZ', 'disk.raw'],
  ['disk.img.zst', 'disk.img'],
  ['disk.bz2', 'disk'],
  ['disk.qcow2', 'disk.qcow2'],
  ['disk.vmdk', 'disk.qcow2'],
  ['disk.VDI.xz', 'disk.qcow2'],
  ['.gz', '.gz'],
])('%s is imported as %s', (name, unpacked) => {
  expect(importedName(name)).toBe(unpacked);
});
