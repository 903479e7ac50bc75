/** Verifies that machines recover from failures of libvirtd, networks, pools, images and power. */

import { once } from 'node:events';
import { copyFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { metricValue } from '../telemetry/metric-value.ts';
import { record } from './record.ts';
import { SlowImage } from './slow-image.ts';

/** Retries are at most a minute apart. */
const SOON = { timeout: 100_000, interval: 200 };
const HALF_A_MINUTE = 30_000;

let lab: ClusterLab;
let host: LibvirtHost;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('world-host');
  host = lab.lab.hosts[0] as LibvirtHost;
  controller = await ControllerProcess.start(lab.env());
  await lab.apply(lab.machine('old'));
  await becomes('old', 'True AsSpecified');
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

describe('libvirtd', () => {
  test('is restarted: the next machine is created, with a new provider', async (context) => {
    await host.stopLibvirtd();
    await host.startLibvirtd();
    await lab.apply(lab.machine('restarted'));
    await becomes('restarted', 'True AsSpecified');
    await becomes('old', 'True AsSpecified');
    record(context, {
      fault: 'libvirtd restarted',
      seen: '—',
      outcome: 'the next machine is made, with a new provider; the others are as before',
    });
  });

  test('stops, and another program closes all connections: machines wait, and recover when it is back', async (context) => {
    await host.stopLibvirtd();
    await lab.apply(lab.machine('new'));
    await lab.kubectl('delete', 'machine', 'restarted', '--wait=false');
    for (const name of ['new', 'restarted', 'old']) await becomes(name, 'False LibvirtUnreachable');
    expect(metricValue(await controller.fetch('/metrics'), `caplv_host_up{host="${host.uri}"}`)).toBe(0);
    await sleep(HALF_A_MINUTE);

    const impostor = createServer((socket) => socket.destroy());
    const socket = join(host.directory, 'run/libvirt-sock');
    await rm(socket, { force: true });
    await once(impostor.listen(socket), 'listening');
    await sleep(HALF_A_MINUTE);
    for (const name of ['new', 'restarted', 'old']) {
      expect(await lab.ready(name)).toBe('False LibvirtUnreachable');
      expect(failuresOf(name)).toBeLessThan(10);
    }
    impostor.close();

    await host.startLibvirtd();
    for (const name of ['new', 'old']) await becomes(name, 'True AsSpecified');
    await expect.poll(() => lab.get('restarted'), SOON).toBeUndefined();
    expect((await lab.host()).domains.sort()).toEqual(['default.new', 'default.old']);
    expect(metricValue(await controller.fetch('/metrics'), `caplv_host_up{host="${host.uri}"}`)).toBe(1);
    const seen = 'Ready False LibvirtUnreachable on its machines, caplv_host_up 0';
    const outcome =
      'a machine that was asked for meanwhile is made, one that was deleted is gone, the others are as before';
    record(
      context,
      { fault: 'libvirtd stopped for half a minute', seen, outcome },
      { fault: 'libvirtd replaced for half a minute by one that closes each connection', seen, outcome },
    );
  });
});

test('the host loses power: all guests run again, with and without autostart', async (context) => {
  await lab.apply(
    lab.machine('auto', { running: true, autostart: true }),
    lab.machine('manual', { running: true, autostart: false }),
  );
  const names = ['auto', 'manual'];
  const domains = names.map((name) => `default.${name}`);
  for (const name of names)
    await expect.poll(() => conditionOf(name, 'DomainReady'), SOON).toBe('True AsSpecified');
  const before = await Promise.all(domains.map((domain) => lab.virsh('domuuid', domain)));
  const { volumes } = await lab.host();

  await host.kill();
  await host.start();
  for (const domain of domains) {
    await expect.poll(() => lab.virsh('domstate', domain).catch(String), SOON).toBe('running');
  }
  for (const name of names)
    await expect.poll(() => conditionOf(name, 'DomainReady'), SOON).toBe('True AsSpecified');
  expect(await Promise.all(domains.map((domain) => lab.virsh('domuuid', domain)))).toEqual(before);
  expect((await lab.host()).volumes).toEqual(volumes);
  await lab.kubectl('delete', 'machine', ...names);
  for (const autostart of ['on', 'off']) {
    record(context, {
      fault: `the host rebooted, autostart ${autostart}`,
      seen: 'Ready False while it is away',
      outcome: 'the same domain runs again, with the same disks',
    });
  }
});

test('a network is stopped: machines that need it wait, and recover when it is started', async (context) => {
  await lab.virsh('net-destroy', 'default');
  await lab.apply(lab.machine('offline'));
  await becomes('offline', 'False NetworkNotFound');
  await sleep(HALF_A_MINUTE / 2);
  expect(failuresOf('offline')).toBeLessThan(10);
  expect(await lab.ready('old')).toBe('True AsSpecified');
  await lab.virsh('net-start', 'default');
  await becomes('offline', 'True AsSpecified');
  await lab.kubectl('delete', 'machine', 'offline');
  record(context, {
    fault: 'network stopped',
    seen: 'Ready False NetworkNotFound on machines that are to be made',
    outcome: 'made when it is started',
  });
});

test('a pool fills up in the middle of an upload: the machine is created when there is space again', async (context) => {
  const sandbox = await host.sandbox();
  const directory = join(host.directory, 'small');
  await sandbox.run('mkdir', directory);
  await sandbox.run('mount', '-t', 'tmpfs', '-o', 'size=64m', 'small', directory);
  await lab.virsh('pool-define-as', 'small', 'dir', '--target', directory);
  await lab.virsh('pool-start', 'small');
  const image = await SlowImage.serve(lab.lab.imagePath);
  try {
    await lab.apply(lab.machine('full', { pool: 'small', imageURI: image.url }));
    await image.halfSent();
    await sandbox.run('sh', '-c', `cat /dev/zero >${directory}/filler || true`);
    image.sendRest();
    await becomes('full', 'False InsufficientCapacity');
    await sandbox.run('rm', `${directory}/filler`);
    await becomes('full', 'True AsSpecified');
    expect(failuresOf('full')).toBeLessThan(5);
    await lab.kubectl('delete', 'machine', 'full');
    expect(await lab.virsh('vol-list', 'small')).toBe('');
  } finally {
    image.close();
  }
  record(context, {
    fault: 'pool full in the middle of an upload',
    seen: 'Ready False InsufficientCapacity',
    outcome:
      'what was half made is removed, and the machine made when there is space; nothing is left in the pool',
  });
});

test('an image file is invalid, then valid, then replaced: new machines wait for it, and existing ones stay', async (context) => {
  const image = join(lab.lab.directory, 'image.qcow2');
  await writeFile(image, 'not yet');
  await lab.apply(lab.machine('first', { imageURI: image }));
  await becomes('first', 'False ImageInvalid');
  await copyFile(lab.lab.imagePath, image);
  await becomes('first', 'True AsSpecified');
  const uuid = await lab.virsh('domuuid', 'default.first');

  await execa('qemu-img', ['convert', '-O', 'qcow2', lab.lab.imagePath, `${image}.new`]);
  await rename(`${image}.new`, image);
  await lab.apply(lab.machine('second', { imageURI: image }));
  for (const name of ['second', 'first']) await becomes(name, 'True AsSpecified');
  expect(await lab.virsh('domuuid', 'default.first')).toBe(uuid);
  await lab.kubectl('delete', 'machine', 'first', 'second');
  expect((await lab.host()).volumes.filter((volume) => volume.includes('-image.qcow2'))).toEqual([]);
  record(
    context,
    {
      fault: 'image corrupt',
      seen: 'Ready False ImageInvalid',
      outcome: 'the machine is made when the file is another',
    },
    {
      fault: 'image replaced',
      seen: '—',
      outcome: 'machines that were made stay on the old one; new ones get the new one',
    },
  );
});

/** The machine's condition Ready, as status and reason. */
async function becomes(name: string, ready: string): Promise<void> {
  await vi.waitFor(async () => expect(await lab.ready(name)).toBe(ready), SOON);
}

async function conditionOf(name: string, type: string): Promise<string | undefined> {
  const found = (await lab.get(name))?.status?.conditions?.find((condition) => condition.type === type);
  return found && `${found.status} ${found.reason}`;
}

function failuresOf(name: string): number {
  return controller.lines.filter(
    ({ message, object }) => object === `default/${name}` && message.startsWith('Reconcile failed'),
  ).length;
}
