/**
 * Converts images of other formats to qcow2 by `qemu-img`. Such formats can name further files, which QEMU would read with the rights of
 * this process. So qemu-img gets the format, and opens no backing file. An image that has a backing file, or parts in other files, is refused.
 */

import { createWriteStream } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CaplvError, type Missing, outOfResources, TerminalError } from '../../errors.ts';
import { type ConvertedFormat, HEADER_BYTES, refuseLarge } from '../../intent/image/header.ts';
import { runSubprocess, type SubprocessResult } from '../../system/subprocess.ts';
import { printableRemark } from '../../telemetry/printable.ts';
import { makeImageScratch } from './image-scratch.ts';

export interface ForeignImage {
  readonly format: ConvertedFormat;
  /** As it may be shown, without secrets. */
  readonly shown: string;
  /** Field that names it, for errors. */
  readonly path: string;
  readonly policy: { readonly maxImageBytes: number };
  /** What may come in place of one that is damaged: a file may still be written. */
  readonly missing?: Missing | undefined;
  readonly stop: AbortSignal;
}

/** A qcow2 file that is removed by `remove`. */
export interface ConvertedImage {
  readonly file: string;
  readonly bytes: number;
  readonly remove: () => Promise<void>;
}

const INFO_MS = 30_000;
/** A transfer takes as long as it takes, and so does this. */
const NO_LIMIT_MS = 2 ** 31 - 1;

/**
 * Writes what `read` gives, an image of `format`, to a temporary file (`TMPDIR`), and what qemu-img makes of it beside it.
 * @throws what `read` and its content throw; TerminalError ImageInvalid for an image that cannot be converted, or names other files, and where qemu-img
 * is not installed; TerminalError NotAllowed for a disk that is too large
 */
export async function convertImage(
  read: () => Promise<AsyncIterable<Buffer>>,
  image: ForeignImage,
): Promise<ConvertedImage> {
  // Before anything is transferred for nothing.
  await qemuImg(['--version'], image, INFO_MS);
  const directory = await makeImageScratch();
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const input = join(directory, 'input');
    const file = join(directory, 'image.qcow2');
    await pipeline(Readable.from(await read()), createWriteStream(input, { flags: 'wx', mode: 0o600 }));
    const opened = openedAlone(input, image);
    requireOneFile(await qemuImg(['info', '--output=json', opened], image, INFO_MS), input, image);
    await requireWhole(opened, input, image);
    await qemuImg(['convert', '-O', 'qcow2', opened, file], image, NO_LIMIT_MS);
    await rm(input);
    return { file, bytes: (await stat(file)).size, remove };
  } catch (error) {
    await remove();
    throw error instanceof CaplvError ? error : (outOfResources(error) ?? error);
  }
}

/** The image as QEMU is to open it: in its format, whatever QEMU would guess, and without what it says that it is based on. */
function openedAlone(filename: string, { format }: ForeignImage): string {
  return `json:${JSON.stringify({ driver: format, backing: null, file: { driver: 'file', filename } })}`;
}

interface ImageInfo {
  readonly 'virtual-size'?: unknown;
  readonly 'backing-filename'?: unknown;
  readonly 'format-specific'?: {
    readonly data?: { readonly extents?: readonly { readonly filename?: unknown }[] };
  };
}

function requireOneFile(json: string, input: string, image: ForeignImage): void {
  const info = JSON.parse(json) as ImageInfo;
  const extents = info['format-specific']?.data?.extents ?? [];
  if (info['backing-filename'] !== undefined || extents.some(({ filename }) => filename !== input))
    throw refused(
      image,
      `is ${image.format} that needs further files: a snapshot, or a disk in several parts`,
    );
  const bytes = info['virtual-size'];
  if (typeof bytes !== 'number') throw refused(image, `has no size that qemu-img can tell`);
  refuseLarge(bytes, image.policy, image.path);
}

/** QEMU reads zeros where a file is cut off. */
async function requireWhole(opened: string, input: string, image: ForeignImage): Promise<void> {
  const handle = await open(input);
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    await handle.read(header, 0, HEADER_BYTES, 0);
    const isCut = image.format === 'vdi' && (await handle.stat()).size < vdiBytes(header);
    if (isCut) throw refused(image, 'cannot be converted from vdi (the file is cut off)');
  } finally {
    await handle.close();
  }
  const { exitCode, ...result } = await run(['check', '-q', opened], image, NO_LIMIT_MS);
  if (exitCode !== undefined && CHECKED.includes(exitCode)) return;
  throw refused(image, `cannot be converted from ${image.format} (${said(result) || 'its data is damaged'})`);
}

/** Exit codes of `qemu-img check` for an image that can be used: without a fault, with clusters that nothing uses, of a format without a check. */
const CHECKED: readonly number[] = [0, 3, 63];

/** Bytes that a vdi file has at least, by its header: the offset of its blocks, and as many of these as there are. */
function vdiBytes(header: Buffer): number {
  const [data, block, extra, allocated] = [344, 376, 380, 388].map((at) => header.readUInt32LE(at));
  return (data ?? 0) + (allocated ?? 0) * ((block ?? 0) + (extra ?? 0));
}

function run(args: readonly string[], { stop }: ForeignImage, timeoutMs: number): Promise<SubprocessResult> {
  const options = { timeoutMs, signal: stop, env: { LC_ALL: 'C' }, maxCharacters: 2 ** 20 };
  return runSubprocess('qemu-img', args, options);
}

/** Returns what it writes. */
async function qemuImg(args: readonly string[], image: ForeignImage, timeoutMs: number): Promise<string> {
  const result = await run(args, image, timeoutMs);
  if (result.exitCode === 0) return result.stdout;
  if (result.code === 'ENOENT')
    throw new TerminalError({
      code: 'ImageInvalid',
      path: image.path,
      message: `${image.shown} is a disk image of the format ${image.format}, and the machine where caplv runs has no qemu-img to convert it`,
      fix: 'install it there (Debian: apt-get install qemu-utils, Fedora: dnf install qemu-img), or convert the image: qemu-img convert -O qcow2 INPUT OUTPUT',
    });
  if (/No space left on device/.test(result.stderr))
    throw outOfResources(
      Object.assign(new Error('no space left for the converted image'), { code: 'ENOSPC' }),
    );
  throw refused(image, `cannot be converted from ${image.format} (${said(result)})`);
}

/** Without the name of the temporary file, which says nothing to people. */
function said({ stderr, timedOut, isCanceled, signal }: SubprocessResult): string {
  if (timedOut || isCanceled || signal) return 'qemu-img was ended';
  return printableRemark(stderr.replace(/json:\{.*?\}\}|\/\S*caplv-image-\S+/g, 'the image'));
}

function refused({ shown, path, missing }: ForeignImage, what: string): TerminalError {
  return new TerminalError({
    code: 'ImageInvalid',
    path,
    message: `${shown} ${what}`,
    fix: 'make one whole file of it where it comes from, and see what qemu-img says: qemu-img convert -O qcow2 INPUT OUTPUT',
    missing,
  });
}
