/** Verifies what the relay of image sources serves to the provider, which sends HEAD and then GET. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { VolumeSource } from '../../../src/actuator/context/source-reader.ts';
import { type Offer, type SourceProgress, SourceRelay } from '../../../src/actuator/context/source-relay.ts';
import { Policy, UNLIMITED } from '../../../src/intent/policy.ts';

const MIB = 1024 ** 2;

/** A qcow2 image of 3 MiB, over several packets. */
function image(): Buffer {
  const content = Buffer.alloc(3 * MIB, 'content');
  content.fill(0, 0, 512);
  content.write('QFI\xfb', 'latin1');
  content.writeUInt32BE(3, 4);
  content.writeBigUInt64BE(64n * 1024n ** 2n, 24);
  return content;
}

function overlay(): Buffer {
  const content = image();
  content.writeBigUInt64BE(512n, 8);
  return content;
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Serves a part to requests with a range, and the whole to others. */
function serving(content: Buffer, whole = content): RequestListener {
  return ({ headers: { range } }, response) => {
    const part = range === undefined ? undefined : content.subarray(0, 512);
    response.writeHead(part ? 206 : 200, {
      'content-length': (part ?? whole).length,
      ...(part && { 'content-range': `bytes 0-511/${content.length}` }),
    });
    response.end(part ?? whole);
  };
}

interface Given {
  readonly offer: Offer;
  readonly length: string | null;
  readonly content: Buffer | undefined;
}

/** Asks as provider 0.8.3 does, and stops where it would. */
async function fetchLikeProvider(offer: Offer): Promise<Given> {
  const head = await fetch(offer.url, { method: 'HEAD' });
  const length = head.headers.get('content-length');
  if (!head.ok) return { offer, length: null, content: undefined };
  const answer = await fetch(offer.url);
  const content = answer.ok ? await answer.arrayBuffer().catch(() => undefined) : undefined;
  return { offer, length, content: content && Buffer.from(content) };
}

/** What is refused at the first request is thrown before the provider runs. */
async function relayedBy(relay: SourceRelay, source: VolumeSource): Promise<Given> {
  const none = { url: '', transfer: undefined };
  return relay
    .offer(source, fetchLikeProvider)
    .catch((failure: Error) => ({ offer: { ...none, failure }, length: null, content: undefined }));
}

const relayed = (source: string, policy: Policy, kind: VolumeSource['kind'] = 'image') =>
  relayedBy(new SourceRelay(policy), { kind, source });

describe('what is allowed', () => {
  it('passes unchanged, counted and hashed, from a URL and from a file', async () => {
    const content = image();
    const base = await serve(serving(content));
    const directory = await mkdtemp(join(tmpdir(), 'caplv-relay-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = join(directory, 'a b.qcow2');
    await writeFile(file, content);
    for (const source of [`${base}/disk.qcow2`, file]) {
      const { offer, length, content: given } = await relayed(source, UNLIMITED);
      expect(length).toBe(String(content.length));
      expect(given?.equals(content)).toBe(true);
      expect(offer.failure).toBeUndefined();
      expect(offer.transfer).toEqual({
        bytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
      });
      // By its suffix the provider knows a qcow2 image.
      expect(offer.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}\/(disk|a_b)\.qcow2$/);
    }
  });

  it('is served only for its secret path, only by GET, and only once', async () => {
    const base = await serve(serving(image()));
    const relay = new SourceRelay(UNLIMITED);
    const url = await relay.offer({ kind: 'image', source: `${base}/a` }, async (offer) => {
      const { origin } = new URL(offer.url);
      expect((await fetch(`${origin}/${'x'.repeat(43)}/a`)).status).toBe(404);
      expect((await fetch(origin)).status).toBe(404);
      expect((await fetch(offer.url, { method: 'POST' })).status).toBe(404);
      return offer.url;
    });
    await expect(fetch(url)).rejects.toThrow();
  });

  it('of a run that the provider leaves in the middle is no failure of its server, which is left too', async () => {
    const left = Promise.withResolvers<void>();
    const base = await serve((_, response) => {
      response.on('close', left.resolve);
      response.writeHead(200, { 'content-length': 3 * MIB });
      response.write(image().subarray(0, MIB));
    });
    await new SourceRelay(UNLIMITED).offer({ kind: 'image', source: `${base}/a` }, async (offer) => {
      const gone = new AbortController();
      const answer = await fetch(offer.url, { signal: gone.signal });
      await answer.body?.getReader().read();
      gone.abort();
      await left.promise;
      expect(offer.failure).toBeUndefined();
    });
  });
});

describe('an image with a checksum', () => {
  const digestOf = (algorithm: string, content: Buffer) =>
    `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`;

  it('passes whole if it has that digest', async () => {
    const base = await serve(serving(image()));
    for (const algorithm of ['sha256', 'sha512']) {
      const source = {
        kind: 'image',
        source: `${base}/a.qcow2`,
        checksum: digestOf(algorithm, image()),
      } as const;
      const { offer, content } = await relayedBy(new SourceRelay(UNLIMITED), source);
      expect(content?.equals(image())).toBe(true);
      expect(offer.failure).toBeUndefined();
    }
  });

  it.each([
    ['another content', digestOf('sha256', Buffer.from('another'))],
    ['a text that is no digest', 'sha256:0'],
  ])('never passes whole if that is of %s, and the error has both digests', async (_, checksum) => {
    const base = await serve(serving(image()));
    const source = { kind: 'image', source: `${base}/a.qcow2?token=s3cret`, checksum } as const;
    const { offer, content } = await relayedBy(new SourceRelay(UNLIMITED), source);
    expect(content).toBeUndefined();
    expect(offer.transfer).toBeUndefined();
    expect(offer.failure).toMatchObject({
      name: 'TerminalError',
      code: 'ImageInvalid',
      path: 'spec.providerSpec.imageChecksum',
      message: expect.stringContaining(`imageChecksum is ${checksum}`),
    });
    if (checksum.length > 8) expect(offer.failure?.message).toContain(digestOf('sha256', image()));
    expect(offer.failure?.message).not.toContain('s3cret');
  });
});

describe('progress', () => {
  it('is reported while an image passes, once for each time that there is more', async () => {
    const half = Promise.withResolvers<void>();
    const honest = serving(image());
    const base = await serve((request, response) => {
      if (request.headers.range !== undefined) return honest(request, response);
      response.writeHead(200, { 'content-length': 3 * MIB });
      response.write(image().subarray(0, 1.5 * MIB));
      return half.promise.then(() => response.end(image().subarray(1.5 * MIB)));
    });
    const seen: SourceProgress[] = [];
    const relay = new SourceRelay(UNLIMITED, { progressMs: 5 });
    const { content } = await relay.offer(
      { kind: 'image', source: `${base}/disk.qcow2` },
      fetchLikeProvider,
      (progress) => {
        seen.push(progress);
        if (progress.bytes >= 1.5 * MIB) half.resolve();
      },
    );
    expect(content?.length).toBe(3 * MIB);
    expect(seen).toContainEqual({ doing: 'transferring', bytes: 1.5 * MIB, totalBytes: 3 * MIB });
    const all = seen.map(({ bytes }) => bytes);
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('a compressed image', () => {
  it('passes unpacked, with the length and the digest of what is in it, and is verified as it is', async () => {
    const file = gzipSync(image());
    const base = await serve(serving(file));
    const checksum = `sha256:${createHash('sha256').update(file).digest('hex')}`;
    const source = { kind: 'image', source: `${base}/disk.qcow2.gz`, checksum } as const;
    const { offer, length, content } = await relayedBy(new SourceRelay(UNLIMITED), source);
    expect(length).toBe(String(image().length));
    expect(content?.equals(image())).toBe(true);
    expect(offer.url).toMatch(/\/disk\.qcow2$/);
    expect(offer.transfer).toEqual({
      bytes: image().length,
      sha256: createHash('sha256').update(image()).digest('hex'),
    });
  });

  it.each([
    ['an overlay', gzipSync(overlay()), 'ImageInvalid', 'is an overlay'],
    ['no disk image', gzipSync(Buffer.alloc(MIB, 'text')), 'ImageInvalid', 'is not a disk image'],
    ['another archive', gzipSync(gzipSync(image())), 'ImageInvalid', 'is not a disk image'],
    ['nothing', gzipSync(''), 'ImageInvalid', 'is not a disk image'],
    ['a part of an image', gzipSync(image()).subarray(0, -9), 'ImageInvalid', 'is damaged or cut off'],
    [
      'more than is allowed',
      gzipSync(Buffer.alloc(9 * MIB)),
      'NotAllowed',
      'has more than 4194304 bytes in it',
    ],
  ])('with %s in it is refused before the provider runs', async (_, file, code, says) => {
    const base = await serve(serving(file));
    const policy = new Policy({ allow: 'everything', maxImageGB: 4 / 1024 });
    const { offer, length } = await relayed(`${base}/disk.qcow2.gz`, policy);
    expect(length).toBeNull();
    expect(offer.url).toBe('');
    expect(offer.failure).toMatchObject({
      name: 'TerminalError',
      code,
      path: 'spec.providerSpec.imageURI',
      message: expect.stringContaining(says),
    });
  });

  it('that has another content at the second request does not pass', async () => {
    const [first, second] = [image(), image()].map((content, index) => {
      content.fill(index, 1_000, 2_000);
      // Not compressed, so that both have one length.
      return gzipSync(content.subarray(0, content.length - index * 512), { level: 0 });
    });
    const same = Buffer.concat([
      second ?? Buffer.alloc(0),
      Buffer.alloc((first?.length ?? 0) - (second?.length ?? 0)),
    ]);
    let requests = 0;
    const base = await serve((request, response) => {
      if (request.headers.range === undefined) requests += 1;
      return serving(requests > 1 ? same : (first ?? same))(request, response);
    });
    const { offer, content } = await relayed(`${base}/disk.qcow2.gz`, UNLIMITED);
    expect(content).toBeUndefined();
    expect(offer.failure).toMatchObject({
      name: 'TransientError',
      message: expect.stringContaining('bytes in it that it had before'),
    });
  });
});

describe('what is refused', () => {
  it('a redirect at the second request is not followed', async () => {
    let marks = 0;
    const mark = await serve((_, response) => {
      marks += 1;
      response.end('mark');
    });
    const honest = serving(image());
    const base = await serve((request, response) => {
      if (request.headers.range !== undefined) return honest(request, response);
      return response.writeHead(302, { location: `${mark}/disk.qcow2` }).end();
    });
    const { offer, length, content } = await relayed(`${base}/disk.qcow2`, new Policy({ allow: base }));
    expect([length, content]).toEqual([String(3 * MIB), undefined]);
    expect(offer.failure).toMatchObject({ name: 'TerminalError', code: 'NotAllowed' });
    expect(marks).toBe(0);
  });

  it('a name that leads to this machine at the second request', async () => {
    let marks = 0;
    const base = await serve((_, response) => {
      marks += 1;
      response.end();
    });
    const relay = new SourceRelay(new Policy({ allow: 'http://' }), {
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    });
    const source = `http://images.example.com:${new URL(base).port}/disk.qcow2`;
    const { offer } = await relayedBy(relay, { kind: 'image', source });
    expect(offer.failure).toMatchObject({ code: 'NotAllowed', path: 'spec.providerSpec.imageURI' });
    expect(marks).toBe(0);
  });

  it('an overlay that the server sends only for a full request does not pass', async () => {
    const base = await serve(serving(image(), overlay()));
    const { offer, content } = await relayed(`${base}/disk.qcow2`, UNLIMITED);
    expect(content).toBeUndefined();
    expect(offer.failure).toMatchObject({ name: 'TerminalError', code: 'ImageInvalid' });
  });

  it('a source that is larger than allowed, or announces so', async () => {
    const base = await serve(serving(image()));
    const policy = new Policy({ allow: 'everything', maxImageGB: 2 / 1024 });
    for (const kind of ['image', 'seed'] as const) {
      const { offer, length } = await relayed(`${base}/disk.qcow2`, policy, kind);
      expect(length).toBeNull();
      expect(offer.failure).toMatchObject({ name: 'TerminalError', code: 'NotAllowed' });
    }
  });

  it.each([
    [
      'has another size at the second request',
      serving(image(), image().subarray(0, MIB)),
      'and had 3145728 before',
    ],
    [
      'sends less than it says',
      (request, response) => {
        if (request.headers.range !== undefined) return serving(image())(request, response);
        response.writeHead(200, { 'content-length': 3 * MIB });
        return response.write(image().subarray(0, MIB), () => response.destroy());
      },
      'it closed the connection',
    ],
    ['fails', (_, response) => response.writeHead(503).end(), 'answers 503 Service Unavailable'],
  ] as readonly (readonly [string, RequestListener, string])[])(
    'a server that %s may be better later',
    async (_, listener, says) => {
      const base = await serve(listener);
      const { offer, content } = await relayed(`${base}/disk.qcow2?token=s3cret`, UNLIMITED);
      expect(content).toBeUndefined();
      expect(offer.transfer).toBeUndefined();
      expect(offer.failure).toMatchObject({
        name: 'TransientError',
        code: 'ImageNotFound',
        message: expect.stringContaining(says),
      });
      expect(offer.failure?.message).not.toContain('s3cret');
    },
  );

  it('a file to which a link leads by then', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'caplv-relay-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const secret = join(directory, 'secret');
    const link = join(directory, 'allowed', 'link');
    await writeFile(secret, image());
    await writeFile(join(directory, 'image'), image());
    await mkdir(join(directory, 'allowed'));
    await rename(join(directory, 'image'), join(directory, 'allowed', 'image'));
    await symlink('image', link);
    const policy = new Policy({ allow: join(directory, 'allowed') });
    expect((await relayed(link, policy)).offer.failure).toBeUndefined();
    await symlink(secret, `${link}.new`);
    await rename(`${link}.new`, link);
    const { offer, content } = await relayed(link, policy);
    expect(content).toBeUndefined();
    expect(offer.failure).toMatchObject({ code: 'NotAllowed' });
  });

  it('a pipe, a directory or an empty file in the place of an image, without waiting for it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'caplv-relay-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const pipe = join(directory, 'pipe');
    await execa('mkfifo', [pipe]);
    await writeFile(join(directory, 'empty'), '');
    for (const source of [pipe, directory, join(directory, 'empty')]) {
      const { offer } = await relayed(source, UNLIMITED);
      expect(offer.failure).toMatchObject({ name: 'TerminalError', code: 'ImageNotFound' });
    }
  });

  it('is what a run that failed is said to have failed of, and not that its connection was closed', async () => {
    const base = await serve((_, response) => response.writeHead(404).end());
    const relay = new SourceRelay(UNLIMITED);
    const run = relay.offer({ kind: 'seed', source: `${base}/seed.iso` }, async (offer) => {
      await fetchLikeProvider(offer);
      throw new Error('terraform apply failed');
    });
    await expect(run).rejects.toMatchObject({
      code: 'UserDataNotFound',
      message: expect.stringContaining('answers 404 Not Found'),
    });
    const images = await serve(serving(image()));
    const other = relay.offer(
      { kind: 'image', source: `${images}/disk.qcow2?token=s3cret` },
      async ({ url }) => {
        throw new Error(`cannot upload ${url}`);
      },
    );
    await expect(other).rejects.toThrow(`cannot upload ${images}/disk.qcow2`);
  });
});
