/** Verifies what a user sees of images that are verified, and unpacked, on their way to the host. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('images');

let image: Buffer;
let sha256: string;

beforeAll(async () => {
  image = await readFile(here().lab.imagePath);
  sha256 = createHash('sha256').update(image).digest('hex');
});

/** Expects that deletion leaves nothing, whatever a test made. */
afterEach(async () => {
  const names = (await here().caplv.read(['get', 'machines', '-o', 'name'])).split('\n').filter(Boolean);
  for (const name of names)
    await here().caplv.read(['delete', 'machine', name.replace('machine/', ''), '--now']);
  expect(await here().volumes()).toEqual([]);
  expect(await here().stateFiles()).toEqual([]);
});

/** Names of the volumes of images. */
async function imported(): Promise<string[]> {
  return (await here().volumes()).filter((name) => name.startsWith('caplv-image-'));
}

/** Serves files by their paths, and says how often each was sent whole. */
async function serve(files: Readonly<Record<string, Buffer | string>>) {
  const sent: string[] = [];
  const server = createServer(({ url = '', headers: { range } }, response) => {
    const content = Buffer.from(files[url.split('?')[0] ?? ''] ?? '');
    const [, last] = /^bytes=0-(\d+)$/.exec(range ?? '') ?? [];
    const part = last === undefined ? content : content.subarray(0, Number(last) + 1);
    if (last === undefined) sent.push(url);
    response.writeHead(last === undefined ? 200 : 206, {
      'content-length': part.length,
      ...(last !== undefined && { 'content-range': `bytes 0-${part.length - 1}/${content.length}` }),
    });
    response.end(part);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent };
}

const compressed = async (program: string, content: Buffer) =>
  Buffer.from((await execa(program, ['--stdout', '-1'], { input: content, encoding: 'buffer' })).stdout);

async function converted(format: string): Promise<Buffer> {
  const path = join(here().directory, `guest.${format}`);
  await execa('qemu-img', ['convert', '-O', format, here().lab.imagePath, path]);
  return readFile(path);
}

test('an image is on the host as it was, verified and unpacked, and one content is one volume, wherever it comes from', async () => {
  const { origin, sent } = await serve({
    '/a/guest.img': image,
    '/b/disk.qcow2': image,
    '/a/SHA256SUMS': `${sha256}  guest.img\n`,
    '/download': await compressed('xz', image),
    '/guest.vmdk': await converted('vmdk'),
  });
  const bySums = machine('by-sums', {
    imageURI: `${origin}/a/guest.img`,
    imageChecksum: `${origin}/a/SHA256SUMS`,
  });
  const byDigest = machine('by-digest', {
    imageURI: `${origin}/b/disk.qcow2?token=s3cret`,
    imageChecksum: `sha256:${sha256}`,
  });
  const byXz = machine('by-xz', { imageURI: `${origin}/download`, rootDisk: { sizeGB: 1 } });
  const byVmdk = machine('by-vmdk', { imageURI: `${origin}/guest.vmdk` });
  const { exitCode, stderr } = await here().apply([bySums, byDigest, byXz, byVmdk]);
  expect(exitCode, stderr).toBe(0);
  expect(sent.filter((path) => /guest.img|disk/.test(path))).toHaveLength(1);
  const images = await imported();
  expect(images).toHaveLength(3);
  expect(images).toContainEqual(expect.stringMatching(/^caplv-image-[0-9a-f]{8}-[0-9a-f]{32}-download$/));
  for (const volume of images) {
    const copy = join(here().directory, volume);
    await here().virsh('vol-download', '--pool', 'default', volume, copy);
    if (volume.endsWith('-guest.qcow2')) await execa('qemu-img', ['compare', copy, here().lab.imagePath]);
    else expect((await readFile(copy)).equals(image)).toBe(true);
  }
  const pinned = async () => (await here().machine('by-sums')).status.providerStatus.pinned;
  const before = await pinned();
  expect(before).toMatchObject({
    base: { volume: expect.stringContaining(`-sha256-${sha256.slice(0, 12)}`) },
    imageChecksum: `${origin}/a/SHA256SUMS`,
    imageDigest: `sha256:${sha256}`,
  });

  // A machine that was made keeps its image when its checksum is no longer given.
  const unverified = await here().apply([machine('by-sums', { imageURI: `${origin}/a/guest.img` })]);
  expect(unverified.exitCode, unverified.stderr).toBe(0);
  expect(await pinned()).toEqual(before);
});

test('an image of another digest is refused with both, nothing stays on the host, and a correction goes on', async () => {
  const other = Buffer.concat([image.subarray(0, -1), Buffer.from([(image.at(-1) ?? 0) ^ 1])]);
  const { origin } = await serve({ '/guest.qcow2': other });
  const found = createHash('sha256').update(other).digest('hex');
  const imageURI = `${origin}/guest.qcow2`;
  const { exitCode, stderr } = await here().apply([
    machine('wrong', { imageURI, imageChecksum: `sha256:${sha256}` }),
  ]);
  expect(stderr).toContain(
    `spec.providerSpec.imageChecksum: ${imageURI} has sha256:${found}, and imageChecksum is sha256:${sha256} [ImageInvalid]`,
  );
  expect(exitCode).toBe(1);
  expect(await here().volumes()).toEqual([]);
  const right = await here().apply([machine('wrong', { imageURI, imageChecksum: `sha256:${found}` })]);
  expect(right.exitCode, right.stderr).toBe(0);
});

test('an archive that is cut off, too large, or larger than the root disk is refused, and nothing is made of it', async () => {
  const gzip = await compressed('gzip', image);
  const part = await compressed('gzip', Buffer.alloc(64 * 1024 ** 2));
  const { origin } = await serve({
    '/cut.gz': gzip.subarray(0, -1000),
    '/bomb.gz': Buffer.concat(Array(17).fill(part)),
    '/guest.gz': gzip,
  });
  const cut = await here().apply([machine('cut', { imageURI: `${origin}/cut.gz?token=s3cret` })]);
  expect(cut.stderr).toMatch(
    /spec\.providerSpec\.imageURI: http\S+\/cut\.gz cannot be unpacked: its gzip data is damaged or cut off .*\[ImageInvalid\]/,
  );
  expect(cut.stderr).not.toContain('s3cret');
  const bomb = machine('bomb', { imageURI: `${origin}/bomb.gz` });
  const large = await here().apply([bomb], ['--max-image-gb', '1']);
  expect(large.stderr).toMatch(
    /imageURI: http\S+\/bomb\.gz has more than 1073741824 bytes in it, which are allowed \[NotAllowed\]/,
  );
  expect([cut.exitCode, large.exitCode]).toEqual([1, 1]);
  expect(await here().volumes()).toEqual([]);

  const small = machine('small', { imageURI: `${origin}/guest.gz`, rootDisk: { sizeGB: 0.01 } });
  expect((await here().apply([small])).stderr).toMatch(
    /rootDisk\.sizeGB: the root disk of 0\.01 GB is smaller than the disk in the image \(0\.03 GB\)/,
  );
  expect(await here().domains()).toEqual([]);
});
