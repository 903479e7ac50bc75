/** Verifies what a user sees of images that are verified on their way to the host. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
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

describe('imageChecksum', () => {
  test('of a checksum file, and of a digest: one content is one volume, wherever it comes from', async () => {
    const { origin, sent } = await serve({
      '/a/guest.img': image,
      '/b/disk.qcow2': image,
      '/a/SHA256SUMS': `${sha256}  guest.img\n`,
    });
    const [first, second] = [
      machine('first', { imageURI: `${origin}/a/guest.img`, imageChecksum: `${origin}/a/SHA256SUMS` }),
      machine('second', {
        imageURI: `${origin}/b/disk.qcow2?token=s3cret`,
        imageChecksum: `sha256:${sha256}`,
      }),
    ];
    const { exitCode, stderr } = await here().apply([first, second]);
    expect(exitCode, stderr).toBe(0);
    expect(sent.filter((path) => !path.endsWith('SUMS'))).toHaveLength(1);
    const images = (await here().volumes()).filter((name) => name.startsWith('caplv-image-'));
    expect(images).toEqual([expect.stringContaining(`-sha256-${sha256.slice(0, 12)}`)]);
    const pinned = async () => (await here().machine('first')).status.providerStatus.pinned;
    const before = await pinned();
    expect(before).toMatchObject({
      base: { volume: images[0] },
      imageChecksum: `${origin}/a/SHA256SUMS`,
      imageDigest: `sha256:${sha256}`,
    });

    // A machine that was made keeps its image when its checksum is no longer given.
    const unverified = await here().apply([machine('first', { imageURI: `${origin}/a/guest.img` })]);
    expect(unverified.exitCode, unverified.stderr).toBe(0);
    expect(await pinned()).toEqual(before);
  });

  test('that another content has: refused with both digests, and nothing stays on the host', async () => {
    const other = Buffer.concat([image.subarray(0, -1), Buffer.from([(image.at(-1) ?? 0) ^ 1])]);
    const { origin } = await serve({ '/guest.qcow2': other });
    const found = createHash('sha256').update(other).digest('hex');
    const wrong = machine('wrong', { imageURI: `${origin}/guest.qcow2`, imageChecksum: `sha256:${sha256}` });
    const { exitCode, stderr } = await here().apply([wrong]);
    expect(stderr).toMatch(
      `spec.providerSpec.imageChecksum: ${origin}/guest.qcow2 has sha256:${found}, and imageChecksum is sha256:${sha256} [ImageInvalid]`,
    );
    expect(exitCode).toBe(1);
    expect(await here().volumes()).toEqual([]);
    expect(await here().domains()).toEqual([]);

    // The author finds that the digest was wrong, and goes on with the same object.
    const right = machine('wrong', { imageURI: `${origin}/guest.qcow2`, imageChecksum: `sha256:${found}` });
    const corrected = await here().apply([right]);
    expect(corrected.exitCode, corrected.stderr).toBe(0);
  });
});
