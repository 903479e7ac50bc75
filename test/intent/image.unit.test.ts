/** Verifies how image URIs and image files are read, and which files are refused. */

import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectImage, parseImageURI } from '../../src/intent/image.ts';
import { Policy, UNLIMITED } from '../../src/intent/policy.ts';

const PATH = 'spec.providerSpec.imageURI';
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'caplv-image-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A qcow2 header that says how large the disk in it is. */
function qcow2(virtualSize: bigint): Buffer {
  const header = Buffer.alloc(1024);
  header.write('QFI\xfb', 'latin1');
  header.writeUInt32BE(3, 4);
  header.writeBigUInt64BE(virtualSize, 24);
  return header;
}

async function file(name: string, content: Buffer | string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  return path;
}

describe('imageURI', () => {
  it.each([
    ['/images/a b.qcow2', { kind: 'source', source: '/images/a b.qcow2' }],
    ['file:///images/a%20b.qcow2', { kind: 'source', source: '/images/a b.qcow2' }],
    ['https://example.com/a.qcow2', { kind: 'source', source: 'https://example.com/a.qcow2' }],
    ['volume:default/dir/a.qcow2', { kind: 'volume', pool: 'default', volume: 'dir/a.qcow2' }],
  ])('%s', (uri, expected) => {
    expect(parseImageURI(uri)).toEqual(expected);
  });
});

describe('an image file', () => {
  it('tells the size of the disk in it, which a root disk must not be smaller than', async () => {
    const facts = await inspectImage(await file('a.qcow2', qcow2(20n * 1024n ** 3n)), PATH, UNLIMITED);
    expect(facts.virtualSizeBytes).toBe(20 * 1024 ** 3);
  });

  it('may be raw when it has a partition table', async () => {
    const raw = Buffer.alloc(4096);
    raw.writeUInt16LE(0xaa55, 510);
    expect((await inspectImage(await file('a.img', raw), PATH, UNLIMITED)).virtualSizeBytes).toBe(4096);
  });

  it('has another key when its content was replaced, so that a new machine gets the new image', async () => {
    const path = await file('a.qcow2', qcow2(1n));
    const before = await inspectImage(path, PATH, UNLIMITED);
    expect(await inspectImage(path, PATH, UNLIMITED)).toEqual(before);
    await utimes(path, new Date(), new Date(0));
    expect((await inspectImage(path, PATH, UNLIMITED)).key).not.toBe(before.key);
  });

  it.each([
    ['text', 'just some text, long enough or not'],
    ['nothing', ''],
    ['zeros', Buffer.alloc(4096)],
  ])('of %s is refused as no disk image', async (_, content) => {
    await expect(inspectImage(await file('x', content), PATH, UNLIMITED)).rejects.toMatchObject({
      code: 'ImageInvalid',
      path: PATH,
    });
  });

  /** As they stand at the start of a file, padded to what would else pass for a raw disk with a partition table. */
  const FORMATS: readonly (readonly [name: string, magic: string, atOffset64: string])[] = [
    ['vmdk', 'KDMV', ''],
    ['vmdk', '# Disk DescriptorFile\nRW 8192 FLAT "/etc/shadow" 0\n', ''],
    ['qed', 'QED\0', ''],
    ['qcow', 'QFI\xfb\0\0\0\x01', ''],
    ['vpc', 'conectix', ''],
    ['luks', 'LUKS\xba\xbe', ''],
  ];

  it.each(FORMATS)(
    'of the format %s is refused: it may name other files of its host',
    async (name, magic, atOffset64) => {
      const content = Buffer.alloc(4096);
      content.writeUInt16LE(0xaa55, 510);
      content.write(magic, 'latin1');
      content.write(atOffset64, 64, 'latin1');
      await expect(inspectImage(await file('x.img', content), PATH, UNLIMITED)).rejects.toMatchObject({
        code: 'ImageInvalid',
        path: PATH,
        message: expect.stringContaining(`of the format ${name}`),
        fix: expect.stringContaining('qemu-img convert'),
      });
    },
  );

  it.each([
    ['vmdk', Buffer.concat([Buffer.from('KDMV'), Buffer.alloc(8), Buffer.alloc(1, 1), Buffer.alloc(4096)])],
    ['vhdx', Buffer.concat([Buffer.from('vhdxfile'), Buffer.alloc(4096)])],
    ['vdi', Buffer.concat([Buffer.alloc(64), Buffer.from('7f10dabe', 'hex'), Buffer.alloc(4096)])],
    ['gzip', Buffer.concat([Buffer.from('1f8b08', 'hex'), Buffer.alloc(4096)])],
  ])('of %s is taken, and how large its disk is, is known when it is imported', async (_, content) => {
    const path = await file('a', content);
    expect((await inspectImage(path, PATH, UNLIMITED)).virtualSizeBytes).toBeUndefined();
    const small = new Policy({ allow: '/', maxImageGB: 1 / 1024 ** 3 });
    await expect(inspectImage(path, PATH, small)).rejects.toMatchObject({ code: 'NotAllowed', path: PATH });
  });

  it('that names a backing file or an external data file is refused', async () => {
    const backing = qcow2(1n);
    backing.writeBigUInt64BE(512n, 8);
    const external = qcow2(1n);
    external.writeBigUInt64BE(4n, 72);
    for (const content of [backing, external]) {
      await expect(inspectImage(await file('x', content), PATH, UNLIMITED)).rejects.toMatchObject({
        code: 'ImageInvalid',
        message: expect.stringContaining('is an overlay'),
      });
    }
  });

  it('of a qcow2 header that is cut off is refused, since its references are not known', async () => {
    const whole = qcow2(1n);
    for (const length of [32, 71, 79, 103]) {
      const path = await file('x', whole.subarray(0, length));
      await expect(inspectImage(path, PATH, UNLIMITED)).rejects.toMatchObject({ code: 'ImageInvalid' });
    }
  });

  it('that is missing or a directory is refused with its path', async () => {
    const missing = join(dir, 'missing.qcow2');
    await expect(inspectImage(missing, PATH, UNLIMITED)).rejects.toMatchObject({
      code: 'ImageNotFound',
      message: expect.stringContaining(`${missing}: no such file`),
    });
    await expect(inspectImage(dir, PATH, UNLIMITED)).rejects.toMatchObject({ code: 'ImageNotFound' });
  });
});

describe('an image behind a URL', () => {
  let server: Server;
  let base: string;
  const image = Buffer.concat([qcow2(7n * 1024n ** 3n), Buffer.alloc(1024 ** 2)]);

  beforeEach(async () => {
    server = createServer((request, response) => {
      if (request.url === '/missing') return void response.writeHead(404).end();
      if (request.url === '/broken') return void response.writeHead(503).end();
      if (request.url === '/busy') return void response.writeHead(429, { 'retry-after': '7' }).end();
      const isHead = request.method === 'HEAD';
      if (isHead) return void response.writeHead(405).end();
      const length = request.url === '/no-length' ? {} : { 'content-length': image.length };
      response.writeHead(200, { etag: request.url ?? '', ...length });
      // In two parts: Node would name the length of one.
      response.write(image.subarray(0, 1024));
      response.end(image.subarray(1024));
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => new Promise((closed) => server.close(closed)));

  it('is looked at without being fetched, also from a server that knows no ranges', async () => {
    expect((await inspectImage(`${base}/a`, PATH, UNLIMITED)).virtualSizeBytes).toBe(7 * 1024 ** 3);
  });

  it('has the identity that the server gives it', async () => {
    const [a, b] = [
      await inspectImage(`${base}/a`, PATH, UNLIMITED),
      await inspectImage(`${base}/b`, PATH, UNLIMITED),
    ];
    expect(a.key).not.toBe(b.key);
  });

  it('is refused where nothing says how large the volume has to be', async () => {
    await expect(inspectImage(`${base}/no-length`, PATH, UNLIMITED)).rejects.toMatchObject({
      name: 'TerminalError',
      code: 'ImageInvalid',
      path: PATH,
      message: expect.stringContaining('does not say how long the file is'),
    });
  });

  it('that is not there needs a person; a server that fails may come back', async () => {
    await expect(inspectImage(`${base}/missing`, PATH, UNLIMITED)).rejects.toMatchObject({
      name: 'TerminalError',
      code: 'ImageNotFound',
    });
    await expect(inspectImage(`${base}/broken`, PATH, UNLIMITED)).rejects.toMatchObject({
      name: 'TransientError',
      code: 'ImageNotFound',
    });
    await expect(inspectImage(`${base}/busy`, PATH, UNLIMITED)).rejects.toMatchObject({
      name: 'TransientError',
      missing: { kind: 'url', holdMs: 7_000 },
    });
    await expect(inspectImage('http://127.0.0.1:9/x', PATH, UNLIMITED)).rejects.toMatchObject({
      name: 'TransientError',
    });
  });
});
