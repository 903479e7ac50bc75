/** Verifies that images of other formats are converted by the real qemu-img, and that none makes it read another file. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type ConvertedImage, convertImage } from '../../../src/actuator/context/convert.ts';
import { type ConvertedFormat, convertedFormatOf } from '../../../src/intent/image/header.ts';
import { installDebianPackages } from '../../lab/debian-packages.ts';

const MIB = 1024 ** 2;
const SECRET = 'a secret of the machine where caplv runs';
let directory: string;
let raw: string;
let scratch: string;
const before = process.env['TMPDIR'];

beforeAll(async () => {
  await installDebianPackages(() => undefined);
  directory = await mkdtemp(join(tmpdir(), 'caplv-convert-'));
  scratch = await mkdtemp(join(directory, 'tmp-'));
  process.env['TMPDIR'] = scratch;
  raw = join(directory, 'disk.raw');
  const disk = Buffer.alloc(4 * MIB);
  disk.fill('content', MIB, 2 * MIB);
  disk.writeUInt16LE(0xaa55, 510);
  await writeFile(raw, disk);
});
afterAll(async () => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  await rm(directory, { recursive: true });
});

async function made(format: ConvertedFormat, ...options: readonly string[]): Promise<Buffer> {
  const path = join(directory, `disk.${format}`);
  await execa('qemu-img', ['convert', '-f', 'raw', '-O', format, ...options, raw, path]);
  return readFile(path);
}

async function convert(content: Buffer, maxImageBytes = Number.POSITIVE_INFINITY): Promise<ConvertedImage> {
  const format = convertedFormatOf(content);
  if (!format) throw new Error('it would not be converted');
  async function* chunks() {
    for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
  }
  const stop = new AbortController().signal;
  const policy = { maxImageBytes };
  return convertImage(async () => chunks(), {
    format,
    shown: '/images/a',
    path: 'spec.imageURI',
    policy,
    stop,
  });
}

/** Expects that it is refused, and that nothing of it is left. */
async function expectRefused(content: Buffer, expected: object, maxImageBytes?: number): Promise<void> {
  const refused = await convert(content, maxImageBytes).catch((error: Error) => error);
  expect(refused).toMatchObject({ name: 'TerminalError', path: 'spec.imageURI', ...expected });
  expect((refused as Error).message).not.toContain(scratch);
  expect(await readdir(scratch)).toEqual([]);
}

describe('a whole image', () => {
  it.each([
    ['vmdk', []],
    ['vmdk', ['-o', 'subformat=streamOptimized']],
    ['vhdx', []],
    ['vdi', []],
  ] as const)('of the format %s %j is a qcow2 image with the same disk', async (format, options) => {
    const { file, bytes, remove } = await convert(await made(format, ...options));
    const content = await readFile(file);
    expect(content.length).toBe(bytes);
    expect(content.toString('latin1', 0, 4)).toBe('QFI\xfb');
    const back = join(directory, 'back.raw');
    await execa('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', file, back]);
    expect((await readFile(back)).subarray(0, 4 * MIB).equals(await readFile(raw))).toBe(true);
    await remove();
    expect(await readdir(scratch)).toEqual([]);
  });
});

describe('what is refused', () => {
  it('a vmdk that is a list of other files', async () => {
    const secret = join(directory, 'secret');
    await writeFile(secret, SECRET.padEnd(4 * MIB));
    const list = `# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\n\nRW 8192 FLAT "${secret}" 0\n`;
    expect(convertedFormatOf(Buffer.from(list.padEnd(4096, '\0')))).toBeUndefined();
    // In the sparse form the list follows a header without a capacity.
    const disguised = await made('vmdk');
    disguised.fill(0, 512, 512 + 20 * 512);
    disguised.write(list, 512, 'latin1');
    const withCapacity = Buffer.from(disguised);
    disguised.writeBigUInt64LE(0n, 12);
    expect(convertedFormatOf(disguised)).toBeUndefined();
    // With a capacity QEMU takes the image itself, and not what the list names.
    const converted = await convert(withCapacity).catch(() => undefined);
    if (converted) {
      expect((await readFile(converted.file)).includes(SECRET)).toBe(false);
      await converted.remove();
    }
  });

  it('a snapshot, which needs the image that it was made of', async () => {
    await made('vmdk');
    const overlay = join(directory, 'overlay.vmdk');
    await execa('qemu-img', [
      'create',
      '-q',
      '-f',
      'vmdk',
      '-F',
      'vmdk',
      '-b',
      join(directory, 'disk.vmdk'),
      overlay,
    ]);
    await expectRefused(await readFile(overlay), {
      code: 'ImageInvalid',
      message: expect.stringContaining('needs further files'),
    });
  });

  it('a disk that is larger than allowed, though its image is small', async () => {
    await expectRefused(await made('vhdx'), { code: 'NotAllowed' }, 3 * MIB);
  });

  it.each([
    ['vmdk', 600],
    ['vmdk', -65_536],
    ['vhdx', 600],
    ['vhdx', -8 * MIB],
    ['vdi', 600],
    ['vdi', -512],
  ] as const)('a %s file that is cut off at %i', async (format, end) => {
    const cut = (await made(format)).subarray(0, end);
    await expectRefused(cut, {
      code: 'ImageInvalid',
      message: expect.stringMatching(/^\/images\/a cannot be converted from/),
    });
  });

  it('any, where qemu-img is not installed: its package is named, and the image is not read', async () => {
    const { PATH } = process.env;
    onTestFinished(() => {
      process.env['PATH'] = PATH;
    });
    process.env['PATH'] = '/nowhere';
    let isRead = false;
    const read = async () => {
      isRead = true;
      return (async function* () {})();
    };
    const policy = { maxImageBytes: 1 };
    const stop = new AbortController().signal;
    const image = { format: 'vdi', shown: '/images/a', path: 'spec.imageURI', policy, stop } as const;
    await expect(convertImage(read, image)).rejects.toMatchObject({
      code: 'ImageInvalid',
      fix: expect.stringMatching(/apt-get install qemu-utils/),
    });
    expect(isRead).toBe(false);
  });
});

it('what a killed process left of a conversion is removed by the next', async () => {
  const left = await mkdtemp(join(scratch, 'caplv-image-999999999.1.'));
  await writeFile(join(left, 'input'), 'half an image');
  const { remove } = await convert(await made('vdi'));
  await remove();
  expect(await readdir(scratch)).toEqual([]);
});
