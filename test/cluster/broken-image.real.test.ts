/** Verifies that a broken or slow image delays its own machine, and no other on the same host. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { Gate } from '../e2e/gate.ts';
import { SlowImage } from '../faults/slow-image.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

const soon = { timeout: 100_000, interval: 200 };

let lab: ClusterLab;
let controller: ControllerProcess;
let content: Buffer;
let isBroken = true;

/** Serves the beginning of the image; while it is broken, closes the connection of each full request. */
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
  controller = await startController();
});

/** One run at a time, so that the order of machines is visible. */
function startController(): Promise<ControllerProcess> {
  return ControllerProcess.start({ ...lab.env(), CAPLV_TERRAFORM_RUNS: '1' });
}

afterAll(async () => {
  await controller?.stop();
  server.close();
  await lab?.down();
});

test('the next machine of the host is created, and the one that waits when its image is available', async () => {
  const { port } = server.address() as AddressInfo;
  const imageURI = `http://127.0.0.1:${port}/guest.qcow2`;
  await lab.apply(lab.machine('broken', { imageURI }));
  const failed = ({ object, message }: { object?: string; message: string }) =>
    object === 'default/broken' && message.startsWith('Reconcile failed');
  await expect.poll(() => controller.lines.some(failed), soon).toBe(true);

  await lab.apply(lab.machine('fine'));
  await expect.poll(() => lab.ready('fine'), soon).toBe('True AsSpecified');
  expect((await lab.host()).domains).toEqual(['default.fine']);
  // Its image goes with it, while the other one still cannot be had.
  await lab.kubectl('delete', 'machine', 'fine', '--wait=true', '--timeout=30s');
  expect((await lab.host()).volumes.filter((name) => name.startsWith('default.fine'))).toEqual([]);

  isBroken = false;
  await expect.poll(() => lab.ready('broken'), soon).toBe('True AsSpecified');
  await lab.kubectl('delete', 'machine', 'broken');
  expect(await lab.host()).toMatchObject({ domains: [], volumes: [] });
});

test.each([
  ['an image', (url: string) => ({ imageURI: url })],
  ['a seed', (url: string) => ({ userDataURI: `${url}.iso` })],
])(
  'a server that stalls in the middle of %s stops no other machine in that pool',
  async (_, spec) => {
    const slow = await SlowImage.serve(lab.lab.imagePath);
    onTestFinished(() => slow.close());
    await lab.apply(lab.machine('slow', spec(slow.url)));
    await slow.halfSent();
    await lab.apply(lab.machine('quick'));
    await expect.poll(() => lab.ready('quick'), soon).toBe('True AsSpecified');
    await lab.kubectl('delete', 'machine', 'quick', '--wait=true', '--timeout=30s');
    expect(await lab.ready('slow')).not.toMatch(/^True|StateLocked|Conflict/);
    const hostReady = async () =>
      (await lab.get('slow'))?.status?.conditions?.find(({ type }) => type === 'HostReady')?.message;
    if ('imageURI' in spec(slow.url))
      await expect
        .poll(hostReady, soon)
        .toMatch(/^transferring caplv-image-\S+: (49|50) % \(\d+\.\d of \d+\.\d MB\)$/);
    slow.sendRest();
    await expect.poll(() => lab.ready('slow'), soon).toBe('True AsSpecified');
    const lines = controller.lines.filter(({ object }) => object === 'default/slow');
    expect(lines.filter((line) => JSON.stringify(line).includes('Conflict'))).toEqual([]);
    await lab.kubectl('delete', 'machine', 'slow', '--wait=true');
  },
  300_000,
);

test('machines that wait for one image occupy no worker, and all are created when it is available', async () => {
  const slow = await SlowImage.serve(lab.lab.imagePath);
  onTestFinished(() => slow.close());
  const names = Array.from({ length: 6 }, (_, i) => `crowd-${i}`);
  await lab.apply(...names.map((name) => lab.machine(name, { imageURI: slow.url })));
  await slow.halfSent();
  const hostReady = async (name: string) =>
    (await lab.get(name))?.status?.conditions?.find(({ type }) => type === 'HostReady')?.message ?? '';
  const waiting = async () => {
    const said = await Promise.all(names.map(hostReady));
    return said.filter((one) => /^The image default\/\S+ is locked by .+ \(image\) since /.test(one)).length;
  };
  await expect.poll(waiting, soon).toBe(names.length - 1);
  await expect
    .poll(() => controller.fetch('/metrics'), soon)
    .toMatch(/^workqueue_running\{name="machine"\} 1$/m);
  slow.sendRest();
  for (const name of names) await expect.poll(() => lab.ready(name), soon).toBe('True AsSpecified');
  const events = await lab.kubectl('get', 'events', '-o', 'jsonpath={.items[*].reason}');
  expect(events).not.toContain('StateLocked');
  await lab.kubectl('delete', 'machine', ...names, '--wait=true');
}, 300_000);

test("a tenant's machine takes its turn, and does not wait for all machines of another tenant", async () => {
  const gate = await Gate.make(join(lab.lab.directory, 'gate'));
  onTestFinished(() => gate.open());
  const burst = Array.from({ length: 10 }, (_, i) => `burst-${i}`);
  const [first = '', ...rest] = burst;
  await lab.apply(lab.machine(first, { terraform: gate.afterDomain() }));
  await expect.poll(async () => (await lab.host()).domains, soon).toEqual([`default.${first}`]);
  const runs = async () =>
    /^caplv_terraform_runs_waiting\{.*work="make"\} (\d+)$/m.exec(await controller.fetch('/metrics'))?.[1];
  await lab.apply(...rest.map((name) => lab.machine(name)));
  await expect.poll(runs, soon).toBe(`${rest.length}`);
  await lab.kubectl('create', 'namespace', 'calm');
  await lab.apply(lab.machine('calm', {}, { namespace: 'calm' }));
  await expect.poll(runs, soon).toBe(`${rest.length + 1}`);

  await gate.open();
  const ready = async () => {
    const { items } = await lab.client.list(MachineKind);
    return items.flatMap(({ metadata, status }) =>
      status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
        ? metadata.name
        : [],
    );
  };
  let all: string[] = [];
  await vi.waitFor(
    async () => {
      all = await ready();
      expect(all).toContain('calm');
    },
    { ...soon, interval: 20 },
  );
  expect(all.length).toBeLessThan(burst.length);
  for (const name of burst) await expect.poll(() => lab.ready(name), soon).toBe('True AsSpecified');
  await lab.kubectl('delete', 'machine', 'calm', '--namespace=calm', '--wait=true');
  await lab.kubectl('delete', 'machine', ...burst, '--wait=true');
}, 300_000);

test('an upload whose controller was killed is repeated as a whole by the next controller', async () => {
  const slow = await SlowImage.serve(lab.lab.imagePath);
  onTestFinished(() => slow.close());
  await lab.apply(lab.machine('killed', { imageURI: slow.url }));
  await slow.halfSent();
  await controller.kill();
  slow.sendRest();
  controller = await startController();
  await expect.poll(() => lab.ready('killed'), { ...soon, timeout: 200_000 }).toBe('True AsSpecified');
  const [volume = ''] = (await lab.host()).volumes.filter((name) => name.startsWith('caplv-image-'));
  const copy = join(lab.lab.directory, 'copy.qcow2');
  await lab.virsh('vol-download', '--pool=default', `--vol=${volume}`, `--file=${copy}`);
  expect((await readFile(copy)).equals(content)).toBe(true);
  await lab.kubectl('delete', 'machine', 'killed');
  expect(await lab.host()).toMatchObject({ domains: [], volumes: [] });
}, 300_000);

test('a guest whose QEMU dies at each start is retried less and less often, and its condition always says why', async () => {
  const seen: string[] = [];
  await lab.apply(lab.machine('dies', { running: true, firmware: '/usr/share/no-firmware.fd' }));
  const failures = () =>
    controller.lines.filter(
      ({ object, message }) => object === 'default/dies' && message === 'Reconcile failed, trying again',
    );
  await expect.poll(() => failures().length, soon).toBe(1);
  // Each time, events of the host reported the domain that was defined and removed.
  await expect
    .poll(
      async () => {
        const conditions = (await lab.get('dies'))?.status?.conditions ?? [];
        seen.push(conditions.find(({ type }) => type === 'Ready')?.message ?? '');
        return failures().length;
      },
      { ...soon, timeout: 200_000 },
    )
    .toBe(3);
  const times = failures().map((line) => Date.parse(String(line['time'])));
  const delays = failures().map((line) => Number(line['delayMs']));
  expect(times[1]).toBeGreaterThanOrEqual((times[0] ?? 0) + (delays[0] ?? 0));
  expect(times[2]).toBeGreaterThanOrEqual((times[1] ?? 0) + (delays[1] ?? 0));
  for (const message of seen) expect(message).toContain('no-firmware.fd');

  await lab.kubectl('delete', 'machine', 'dies');
  expect(await lab.host()).toMatchObject({ domains: [], volumes: [] });
}, 300_000);
