/**
 * Reads the first bytes of a disk image: qcow2 (https://www.qemu.org/docs/master/interop/qcow2.html), or raw with a partition table.
 * Refuses all other formats, and images that refer to further files, which QEMU would open for the guest with its own rights.
 */

import { type Missing, TerminalError } from '../../errors.ts';

/** Bytes of an image that are needed. */
export const HEADER_BYTES = 512;

const QCOW2 = 'QFI\xfb';
/** Of a qcow2 header: the disk's content lies in another file. */
const EXTERNAL_DATA = 1n << 2n;

/** Formats of QEMU and libvirt that are neither, by what stands at an offset. Several of them name further files. */
const OTHER_FORMATS: readonly (readonly [name: string, offset: number, magic: string])[] = [
  ['vmdk', 0, 'KDMV'],
  ['vmdk', 0, 'COWD'],
  ['vmdk', 0, '# Disk DescriptorFile'],
  ['qcow', 0, 'QFI\xfb\0\0\0\x01'],
  ['qed', 0, 'QED\0'],
  ['vhdx', 0, 'vhdxfile'],
  ['vpc', 0, 'conectix'],
  ['vdi', 64, '\x7f\x10\xda\xbe'],
  ['parallels', 0, 'WithoutFreeSpace'],
  ['parallels', 0, 'WithouFreSpacExt'],
  ['cow', 0, 'OOOM'],
  ['bochs', 0, 'Bochs Virtual HD Image'],
  ['cloop', 0, '#!/bin/sh\n#V2.0 Format\n'],
  ['luks', 0, 'LUKS\xba\xbe'],
];

/** Formats that qemu-img converts to qcow2 when an image is imported. */
export type ConvertedFormat = 'vmdk' | 'vhdx' | 'vdi';

/**
 * Returns the format of an image that is to be converted; undefined: it is another file. Of vmdk only the one with its data in itself: what
 * has no capacity in its header is read as a list of other files.
 */
export function convertedFormatOf(header: Buffer): ConvertedFormat | undefined {
  const [format] = OTHER_FORMATS.find(([, offset, magic]) => hasMagic(header, offset, magic)) ?? [];
  if (format === 'vhdx' || format === 'vdi') return format;
  const isWhole = hasMagic(header, 0, 'KDMV') && header.length >= 20 && header.readBigUInt64LE(12) !== 0n;
  return isWhole ? 'vmdk' : undefined;
}

interface Limit {
  readonly maxImageBytes: number;
}

export interface ImageSource {
  /** As it may be shown, without secrets. */
  readonly shown: string;
  /** Field that names it, for errors. */
  readonly path: string;
  /** What is allowed. */
  readonly policy: Limit;
  /** What to wait for, where the file may still be written. */
  readonly missing?: Missing | undefined;
}

/**
 * Returns the bytes of the disk in an image, of which `header` are the first; undefined where the format does not say.
 * @param sizeBytes of the image; undefined: it is not known
 * @throws TerminalError ImageInvalid, and NotAllowed for one that is too large
 */
export function requireImage(
  header: Buffer,
  sizeBytes: number | undefined,
  source: ImageSource,
): number | undefined {
  const { shown, path, policy, missing } = source;
  const other = OTHER_FORMATS.find(([, offset, magic]) => hasMagic(header, offset, magic));
  if (other) {
    throw new TerminalError({
      code: 'ImageInvalid',
      path,
      message: `${shown} is a disk image of the format ${other[0]}; qcow2, raw, and whole vmdk, vhdx and vdi are used`,
      fix: 'convert it: qemu-img convert -O qcow2 INPUT OUTPUT',
    });
  }
  if (isWholeQcow2(header)) {
    const file = otherFile(header);
    if (file !== undefined) {
      throw new TerminalError({
        code: 'ImageInvalid',
        path,
        message: `${shown} is an overlay: it names ${file} of its host`,
        fix: 'make one file of it: qemu-img convert -O qcow2 INPUT OUTPUT',
      });
    }
    const virtualSizeBytes = Number(header.readBigUInt64BE(24));
    refuseLarge(Math.max(virtualSizeBytes, sizeBytes ?? 0), policy, path);
    return virtualSizeBytes;
  }
  refuseLarge(sizeBytes ?? 0, policy, path);
  // A boot sector signature: an MBR, or the protective MBR of a GPT.
  if (header.length >= HEADER_BYTES && header[510] === 0x55 && header[511] === 0xaa) return sizeBytes;
  throw new TerminalError({
    code: 'ImageInvalid',
    path,
    message: `${shown} is not a disk image: neither qcow2 nor raw with a partition table`,
    fix: 'name a qcow2 or raw disk image; convert others with: qemu-img convert -O qcow2 INPUT OUTPUT',
    ...(missing && { missing }),
  });
}

/**
 * Returns the further file that a qcow2 header makes QEMU open: any file of the host, or another guest's disk. Undefined: none, or not
 * qcow2.
 */
export function otherFile(header: Buffer): string | undefined {
  if (!isWholeQcow2(header)) return undefined;
  if (header.readBigUInt64BE(8) !== 0n) return 'a backing file';
  return hasFeatures(header) && (header.readBigUInt64BE(72) & EXTERNAL_DATA) !== 0n
    ? 'an external data file'
    : undefined;
}

/** Returns false for a header that is cut off, whose references are not known. */
function isWholeQcow2(header: Buffer): boolean {
  return isQcow2(header) && header.length >= 72 && (!hasFeatures(header) || header.length >= 104);
}

/** Version 2 has a header of 72 bytes; later ones of at least 104, with feature bits. */
function hasFeatures(header: Buffer): boolean {
  return header.readUInt32BE(4) >= 3;
}

export function isQcow2(header: Buffer): boolean {
  return hasMagic(header, 0, QCOW2);
}

function hasMagic(header: Buffer, offset: number, magic: string): boolean {
  return header.subarray(offset, offset + magic.length).equals(Buffer.from(magic, 'latin1'));
}

/** @throws TerminalError NotAllowed for an image of more bytes than are allowed */
export function refuseLarge(bytes: number, { maxImageBytes }: Limit, path: string): void {
  if (bytes <= maxImageBytes) return;
  const GB = 1024 ** 3;
  throw new TerminalError({
    code: 'NotAllowed',
    path,
    message: `the image has ${(bytes / GB).toFixed(1)} GB, and at most ${maxImageBytes / GB} GB are allowed`,
    fix: 'use a smaller image, or have more allowed: --max-image-gb (CAPLV_MAX_IMAGE_GB)',
  });
}
