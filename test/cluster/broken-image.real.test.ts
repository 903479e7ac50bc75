/** An image that cannot be had keeps its own machine waiting, and no other on the same host. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

const soon = { timeout: 100_000, interval: 200 };

let lab: ClusterLab;
let controller: ControllerProcess;
let content: Buffer;
let isBroken = true;

/** Shows what it has to whoever looks, and while it is broken hangs up on whoever wants all of it. */
const server = createServer((request, response) => {
  const range = /^bytes=0-(\d+)$/.exec(request.headers.range ?? '');
  const body = range ? content.subarray(0, Number(range[1]) + 1) : content;
  if (isBroken && !range && request.method === 'GET') return request.socket.destroy();
  response.writeHead(range ? 206 : 200, {
    'content-length': body.length,
    etag: '"1"',
    ...(range && { 'content-range': `bytes 0-${body.length - 1}/${content.length}` }),
  });
  return response.end(request.method === 'HEAD' ? '' : body);
});

beforeAll(async () => {
  lab = await ClusterLab.up('broken-image');
  content = await readFile(lab.lab.imagePath);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  controller = await ControllerProcess.start(lab.env());
});

afterAll(async () => {
  await controller?.stop();
  server.close();
  await lab?.down();
});

test('the next machine of the host is made, and the one that waits when its image can be had', async () => {
  const { port } = server.address() as AddressInfo;
  const imageURI = `http://127.0.0.1:${port}/guest.qcow2`;
  await lab.apply(lab.machine('broken', { imageURI }));
  const failed = ({ object, message }: { object?: string; message: string }) =>
    object === 'default/broken' && message.startsWith('Reconcile failed');
  await expect.poll(() => controller.lines.some(failed), soon).toBe(true);

  await lab.apply(lab.machine('fine'));
  await expect.poll(() => lab.ready('fine'), soon).toBe('True AsSpecified');
  expect((await lab.host()).domains).toEqual(['default.fine']);

  isBroken = false;
  await expect.poll(() => lab.ready('broken'), soon).toBe('True AsSpecified');
  await lab.kubectl('delete', 'machine', 'broken', 'fine');
  expect(await lab.host()).toMatchObject({ domains: [], volumes: [] });
});
