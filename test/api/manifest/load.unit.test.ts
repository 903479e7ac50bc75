/** Verifies that manifests are read from files, directories and standard input, within limits. */

import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadManifests } from '../../../src/api/manifest/load.ts';

const MACHINE = `
apiVersion: cluster-api.k8s.io/v1alpha1
kind: Machine
metadata: {name: NAME}
spec: {providerSpec: {vcpu: 1, memoryMiB: 512, imageURI: image.qcow2}}
`;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-manifests-'));
  await writeFile(join(directory, 'b.yaml'), MACHINE.replace('NAME', 'b'));
  await writeFile(join(directory, 'a.yml'), MACHINE.replace('NAME', 'a'));
  await writeFile(join(directory, 'user-data.yaml'), '#cloud-config\nhostname: x\n');
  await writeFile(join(directory, 'README.md'), 'not a manifest');
  await mkdir(join(directory, 'below', 'deeper'), { recursive: true });
  await writeFile(join(directory, 'below', 'deeper', 'c.yaml'), MACHINE.replace('NAME', 'c'));
});
afterAll(() => rm(directory, { recursive: true }));

const names = async (...args: Parameters<typeof loadManifests>) =>
  (await loadManifests(...args)).map(({ object }) => object.metadata.name);

test('a directory: its manifests by name, without user data that lies beside them', async () => {
  expect(await names([directory])).toEqual(['a', 'b']);
});

test('a directory with those below it, if that is asked for', async () => {
  expect(await names([directory], { isRecursive: true })).toEqual(['a', 'b', 'c']);
  await expect(loadManifests([join(directory, 'below')])).rejects.toThrow('there is no manifest');
});

describe('a URL', () => {
  const server = createServer(({ url = '' }, response) => {
    if (url === '/one.yaml') response.end(MACHINE.replace('NAME', 'remote'));
    else if (url === '/moved') response.writeHead(302, { location: '/one.yaml' }).end();
    else if (url === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else if (url === '/file') response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    else if (url === '/large') response.end('#'.repeat(2_000_000));
    else if (url === '/short')
      response.writeHead(200, { 'content-length': 99 }).write('a', () => response.destroy());
    else response.writeHead(404).end('<html>');
  });
  let origin: string;
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test.each(['/one.yaml', '/moved'])('%s', async (path) => {
    expect(await names([`${origin}${path}`])).toEqual(['remote']);
  });

  test.each([
    ['/nothing', 'the server answers 404'],
    ['/loop', 'redirects more than 5 times'],
    ['/file', 'redirects to file://'],
    ['/large', 'more than 1 MiB'],
    ['/short', 'cannot be read'],
  ])('%s is refused: %s', async (path, message) => {
    await expect(loadManifests([`${origin}${path}`])).rejects.toThrow(message);
  });

  test('a server that is not there', async () => {
    await expect(loadManifests(['http://127.0.0.1:1/a.yaml'])).rejects.toThrow(
      /cannot be fetched: ECONNREFUSED/,
    );
  });
});

test('a file, and a relative file name in it', async () => {
  const [manifest] = await loadManifests([join(directory, 'b.yaml')]);
  expect(manifest?.object.spec).toMatchObject({ providerSpec: { imageURI: join(directory, 'image.qcow2') } });
});

test('standard input', async () => {
  expect(
    await names(['-'], { stdin: Readable.from([Buffer.from(MACHINE.replace('NAME', 'piped'))]) }),
  ).toEqual(['piped']);
});

test('standard input without end is left at the limit', async () => {
  async function* endless() {
    for (;;) yield Buffer.alloc(65_536, '#');
  }
  await expect(loadManifests(['-'], { stdin: Readable.from(endless()) })).rejects.toThrow('more than 1 MiB');
});

test('a file of 5 MB is refused by its size', async () => {
  const large = join(directory, 'large.txt');
  await writeFile(large, Buffer.alloc(5_000_000, '#'));
  await expect(loadManifests([large])).rejects.toThrow(
    'large.txt: the manifest has 4.8 MiB, and a manifest may have 1 MiB',
  );
});

test('the same object in two files', async () => {
  const again = join(directory, 'again.txt');
  await writeFile(again, MACHINE.replace('NAME', 'a'));
  await expect(loadManifests([directory, again])).rejects.toThrow(`first at ${join(directory, 'a.yml')}:2`);
});

test('every path that cannot be read is named', async () => {
  const error = await loadManifests(['/no/such/file', '/no/such/directory/']).catch(
    (caught: unknown) => caught,
  );
  expect(error).toMatchObject({
    code: 'InvalidConfiguration',
    problems: [{ source: '/no/such/file' }, { source: '/no/such/directory/' }],
  });
});

test('a directory without a manifest', async () => {
  await expect(loadManifests([import.meta.dirname])).rejects.toThrow(
    'there is no manifest in this directory',
  );
});

test('a file that is not UTF-8 is refused: it would be decoded to another user name', async () => {
  const stdin = Readable.from([Buffer.from(`${MACHINE}# Jos\xe9\n`, 'latin1')]);
  await expect(loadManifests(['-'], { stdin })).rejects.toThrow('this is not UTF-8 text');
});
