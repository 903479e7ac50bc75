/** Verifies how a digest is found in what distributions publish beside their images, and what is refused. */

import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveChecksum } from '../../../src/intent/checksum-file.ts';
import { findChecksums, parseChecksum } from '../../../src/intent/image/checksum.ts';
import { Policy, UNLIMITED } from '../../../src/intent/policy.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const LONG = 'c'.repeat(128);
const PATH = 'spec.providerSpec.imageChecksum';

describe('a digest', () => {
  it.each([
    [`sha256:${A}`, { algorithm: 'sha256', digest: A }],
    [`SHA256:${A.toUpperCase()}`, { algorithm: 'sha256', digest: A }],
    [`sha512:${LONG}`, { algorithm: 'sha512', digest: LONG }],
    [`sha512:${A}`, undefined],
    ['sha256:', undefined],
    ['https://example.com/SHA256SUMS', undefined],
  ])('%s', (text, expected) => {
    expect(parseChecksum(text)).toEqual(expected);
  });
});

describe('a checksum file', () => {
  it.each([
    ['of sha256sum', `${B}  other.img\n${A}  disk.img\n`, [`sha256:${A}`]],
    ['of sha256sum for binary files, from Windows', `${A} *disk.img\r\n`, [`sha256:${A}`]],
    ['in capitals', `${A.toUpperCase()}  disk.img\n`, [`sha256:${A}`]],
    ['with a path', `${A}  ./images/disk.img\n`, [`sha256:${A}`]],
    [
      'of BSD, signed, as Fedora publishes',
      `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# disk.img: 33 bytes\nSHA256 (disk.img) = ${A}\n`,
      [`sha256:${A}`],
    ],
    [
      'of both algorithms, of which the longer counts',
      `${A}  disk.img\n${LONG}  disk.img\n`,
      [`sha512:${LONG}`],
    ],
    ['with the digest alone', `${A}\n`, [`sha256:${A}`]],
    ['of an older algorithm', `${'0'.repeat(40)}  disk.img\n${'0'.repeat(32)}  disk.img\n`, []],
    ['of other files', `${A}  disk.img.asc\n${B}  mydisk.img\n`, []],
    ['with several digests alone', `${A}\n${B}\n`, []],
    ['that contradicts itself', `${A}  disk.img\n${B}  old/disk.img\n`, [`sha256:${A}`, `sha256:${B}`]],
    ['that is a page of HTML', '<!doctype html><title>disk.img</title>', []],
    ['without content', '', []],
  ])('%s', (_, list, expected) => {
    const found = findChecksums(list, 'disk.img');
    expect(found.map(({ algorithm, digest }) => `${algorithm}:${digest}`)).toEqual(expected);
  });
});

describe('imageChecksum', () => {
  let directory: string;
  let server: Server;
  let base: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caplv-checksum-'));
    await writeFile(join(directory, 'SHA256SUMS'), `${A}  disk.img\n`);
    server = createServer(({ url }, response) => {
      if (url?.startsWith('/SUMS')) return response.end(`${A}  a b.img\n`);
      if (url === '/endless') {
        const more = () => {
          while (response.write(Buffer.alloc(65_536, 'a')));
        };
        response.on('drain', more);
        return more();
      }
      return response.writeHead(url === '/busy' ? 503 : 404).end();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true });
  });

  const resolve = (checksum: string, source: string, policy = UNLIMITED) =>
    resolveChecksum(checksum, source, PATH, policy);

  it('is a digest, or the path or URL of a file that lists the image by its name', async () => {
    const file = join(directory, 'SHA256SUMS');
    for (const [checksum, source] of [
      [`sha256:${A.toUpperCase()}`, '/x.img'],
      [file, '/images/disk.img'],
      [`file://${file}`, 'https://example.com/12/disk.img?token=1'],
      [`${base}/SUMS`, 'https://example.com/a%20b.img'],
    ] as const)
      expect(await resolve(checksum, source)).toBe(`sha256:${A}`);
  });

  it.each([
    [
      'does not list the image',
      '/SUMS?token=s3cret',
      'TerminalError',
      'ImageInvalid',
      'has no SHA-256 or SHA-512 of disk.img',
    ],
    ['has no end', '/endless', 'TerminalError', 'ImageInvalid', 'is no checksum file'],
    ['is not there', '/missing', 'TerminalError', 'ImageNotFound', 'answers 404 Not Found'],
    ['cannot be had now', '/busy', 'TransientError', 'ImageNotFound', 'answers 503'],
  ])(
    'of a file that %s is refused with its field, and without secrets',
    async (_, path, name, code, says) => {
      const refused = await resolve(base + path, '/images/disk.img').catch((error: Error) => error);
      expect(refused).toMatchObject({ name, code, path: PATH, message: expect.stringContaining(says) });
      expect((refused as Error).message).not.toContain('s3cret');
    },
  );

  it('of a file that is not there, or that no manifest may name, is refused', async () => {
    await expect(resolve(join(directory, 'none'), '/disk.img')).rejects.toMatchObject({
      code: 'ImageNotFound',
      message: expect.stringContaining('no such file'),
    });
    await expect(resolve(directory, '/disk.img')).rejects.toMatchObject({ code: 'ImageNotFound' });
    const link = join(directory, 'link');
    await symlink('/etc/hostname', link);
    await expect(resolve(link, '/disk.img', new Policy({ allow: directory }))).rejects.toMatchObject({
      code: 'NotAllowed',
      path: PATH,
    });
  });
});
