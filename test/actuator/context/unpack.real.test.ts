/** Verifies how compressed images are unpacked on their way, with the programs of the system, and which archives are refused. */

import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { execa } from 'execa';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { unpack } from '../../../src/actuator/context/unpack.ts';
import { TransientError } from '../../../src/errors.ts';
import type { Compression } from '../../../src/intent/image/compression.ts';
import { installDebianPackages } from '../../lab/debian-packages.ts';

const CONTENT = Buffer.concat([randomBytes(300_000), Buffer.alloc(700_000)]);
const COMPRESSIONS: readonly Compression[] = ['gzip', 'xz', 'zstd', 'bzip2'];
const archives = new Map<Compression, Buffer>();
const archived = (compression: Compression) => archives.get(compression) ?? Buffer.alloc(0);

beforeAll(async () => {
  await installDebianPackages(() => undefined);
  for (const one of COMPRESSIONS) archives.set(one, await compress(one, CONTENT));
});

async function compress(program: string, input: Buffer): Promise<Buffer> {
  const { stdout } = await execa(program, ['--stdout'], { input, encoding: 'buffer' });
  return Buffer.from(stdout);
}

async function* inChunks(content: Buffer, error?: Error): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
  if (error) throw error;
}

async function unpacked(compression: Compression, content: AsyncGenerator<Buffer>, maxBytes = 1e9) {
  const archive = { compression, shown: 'https://example.com/a', path: 'spec.imageURI', maxBytes };
  const chunks: Buffer[] = [];
  for await (const chunk of unpack(content, archive)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const { PATH } = process.env;
afterEach(() => {
  process.env.PATH = PATH;
});

describe.each(COMPRESSIONS)('an image in %s', (compression) => {
  it('is unpacked as it was', async () => {
    expect((await unpacked(compression, inChunks(archived(compression)))).equals(CONTENT)).toBe(true);
  });

  it('of several parts, as parallel programs write it, is unpacked whole', async () => {
    const two = Buffer.concat([archived(compression), archived(compression)]);
    expect((await unpacked(compression, inChunks(two))).equals(Buffer.concat([CONTENT, CONTENT]))).toBe(true);
  });

  it.each([
    ['that is cut off', (all: Buffer) => all.subarray(0, -200)],
    ['of which the last bytes are missing', (all: Buffer) => all.subarray(0, -2)],
    [
      'that is damaged',
      (all: Buffer) => Buffer.concat([all.subarray(0, 100_000), randomBytes(1_000), all.subarray(101_000)]),
    ],
    ['that something else follows', (all: Buffer) => Buffer.concat([all, randomBytes(300_000)])],
  ])('%s is refused', async (_, change) => {
    const broken = inChunks(change(archived(compression)));
    await expect(unpacked(compression, broken)).rejects.toMatchObject({
      name: 'TerminalError',
      code: 'ImageInvalid',
      path: 'spec.imageURI',
      message: expect.stringMatching(
        `^https://example.com/a cannot be unpacked: its ${compression} data is damaged or cut off \\(.+\\)$`,
      ),
    });
  });

  it('that has more in it than is allowed is left as soon as that is known', async () => {
    let isEnded = false;
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield archived(compression);
      } finally {
        isEnded = true;
      }
    }
    await expect(unpacked(compression, endless(), 20_000_000)).rejects.toMatchObject({
      name: 'TerminalError',
      code: 'NotAllowed',
      fix: expect.stringContaining('--max-image-gb'),
    });
    await expect.poll(() => isEnded).toBe(true);
  });

  it('whose server fails is not called damaged', async () => {
    const failure = new TransientError({ code: 'ImageNotFound', message: 'it closed the connection' });
    const half = archived(compression).subarray(0, 150_000);
    await expect(unpacked(compression, inChunks(half, failure))).rejects.toBe(failure);
  });
});

it.each([
  ['xz', 'xz-utils'],
  ['zstd', 'zstd'],
  ['bzip2', 'bzip2'],
] as const)('without the program %s its package is named', async (compression, debian) => {
  process.env.PATH = '/nowhere';
  await expect(unpacked(compression, inChunks(archived(compression)))).rejects.toMatchObject({
    code: 'ImageInvalid',
    message: expect.stringContaining(`has no program ${compression}`),
    fix: expect.stringContaining(`apt-get install ${debian}`),
  });
});

it('an xz archive that asks for more memory than any needs is refused', async () => {
  const greedy = Buffer.from(archived('xz'));
  // The header of its first block: its length, flags, the filter LZMA2 with the size of its dictionary (here 4 GiB), and a checksum.
  const end = 12 + ((greedy[12] ?? 0) + 1) * 4 - 4;
  expect(greedy.subarray(14, 16).toString('hex')).toBe('2101');
  greedy[16] = 40;
  greedy.writeUInt32LE(crc32(greedy.subarray(12, end)), end);
  await expect(unpacked('xz', inChunks(greedy))).rejects.toMatchObject({
    code: 'ImageInvalid',
    message: expect.stringMatching(/[Mm]emory/),
  });
});
