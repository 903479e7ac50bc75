/** Verifies reads and changes of libvirt objects on a lab host. */

import { copyFile } from 'node:fs/promises';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Libvirt } from '../../src/libvirt/libvirt.ts';
import { GuestConsole } from '../lab/guest-console.ts';
import { Lab } from '../lab/lab.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { defineGuest, nextEvent, virsh } from './guest.ts';

let lab: Lab;
let host: LibvirtHost;
let libvirt: Libvirt;

beforeAll(async () => {
  lab = await Lab.up({ name: 'libvirt' });
  host = lab.hosts[0] as LibvirtHost;
  libvirt = new Libvirt({ uri: host.uri });
  await copyFile(lab.imagePath, `${host.poolPath}/base.qcow2`);
  await virsh(host, ['pool-refresh', host.pool]);
}, 300_000);

afterAll(() => lab?.down(), 60_000);

test('a reservation that is only stored is taken back, and those of others stay', async () => {
  const reserve = (name: string, number: number, ...where: string[]) => {
    const entry = `<host mac='52:54:00:00:00:0${number}' name='${name}' ip='192.168.122.20${number}'/>`;
    return virsh(host, ['net-update', host.network, 'add', 'ip-dhcp-host', entry, ...where]);
  };
  await reserve('mine', 1, '--config');
  await reserve('other', 2, '--config');
  // The reservation of another owner's domain, whose guest has the same host name.
  await reserve('alike', 3, '--config');
  expect((await libvirt.inventory()).reservations).toMatchObject([
    { network: host.network, name: 'mine', ip: '192.168.122.201' },
    { name: 'other' },
    { name: 'alike' },
  ]);
  const mine = (await libvirt.inventory()).reservations.filter(({ name }) => name === 'mine');
  await libvirt.removeReservations(host.network, mine);
  // Whoever was killed has done it before.
  await libvirt.removeReservations(host.network, mine);
  expect(await virsh(host, ['net-dumpxml', host.network])).not.toContain('<host ');
  const stored = await virsh(host, ['net-dumpxml', host.network, '--inactive']);
  expect(stored.match(/<host .*/g)).toEqual([
    expect.stringContaining("name='other'"),
    expect.stringContaining("name='alike'"),
  ]);
});

test('a reservation is added where it is missing, and never over that of another', async () => {
  const entry = { mac: '52:54:00:00:00:09', name: 'added', ip: '192.168.122.209', parentIndex: 0 };
  const of = async () => (await libvirt.networkAddresses([host.network, 'nope'])).get(host.network);
  await libvirt.addReservation(host.network, entry, ['live']);
  expect((await of())?.live).toMatchObject([entry]);
  await libvirt.addReservation(host.network, entry, ['config']);
  expect(await of()).toMatchObject({
    ranges: [{ address: '192.168.122.1', prefix: 24, parentIndex: 0 }],
    stored: expect.arrayContaining([expect.objectContaining(entry)]),
  });
  for (const other of [
    { ...entry, mac: '52:54:00:00:00:10', name: 'b' },
    { ...entry, ip: '192.168.122.210', name: 'b' },
    { ...entry, ip: '192.168.122.210', mac: '52:54:00:00:00:10' },
  ]) {
    await expect(libvirt.addReservation(host.network, other, ['live'])).rejects.toThrow(/existing dhcp host/);
  }
  await libvirt.removeReservations(host.network, [entry]);
  expect((await of())?.live).toEqual([]);
});

test('facts: a missing pool does not spoil the rest', async () => {
  await virsh(host, ['pool-define-as', 'stopped', 'dir', '--target', '/nowhere']);
  await virsh(host, ['vol-create-as', host.pool, 'two words.raw', '1M']);
  const facts = await libvirt.facts({
    volumesOf: ['nope', 'stopped', host.pool],
    networks: ['nope', host.network],
  });
  expect(facts).toMatchObject({ arch: 'x86_64', libvirtVersion: expect.stringMatching(/^\d+\.\d+/) });
  expect(facts.qemuVersion).toMatch(/^\d+\.\d+/);
  expect(facts.cpus).toBeGreaterThan(0);
  expect(facts.freeMemoryMiB).toBeLessThan(facts.memoryMiB);
  expect(facts.pools.map(({ name, active }) => [name, active])).toEqual([
    [host.pool, true],
    ['stopped', false],
  ]);
  expect(facts.pools[0]?.details).toMatchObject({ type: 'dir', path: host.poolPath });
  expect(facts.networks).toMatchObject([
    { name: host.network, active: true, details: { bridge: 'virbr0', mode: 'nat', dhcp: true } },
  ]);
  expect(facts.volumes).toContainEqual({
    pool: host.pool,
    name: 'two words.raw',
    path: `${host.poolPath}/two words.raw`,
  });
});

test('the space of a pool is that of its storage now', async () => {
  const sandbox = await host.sandbox();
  const directory = `${host.directory}/tight`;
  await sandbox.run('mkdir', directory);
  await sandbox.run('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tight', directory);
  await virsh(host, ['pool-create-as', 'tight', 'dir', '--target', directory]);
  await expect(libvirt.poolSpace('tight')).resolves.toBe(4 * 1024 ** 2);
  await sandbox.run('sh', '-c', `cat /dev/zero >${directory}/filler || true`);
  await expect(libvirt.poolSpace('tight')).resolves.toBe(0);
  await virsh(host, ['pool-destroy', 'tight']);
  await expect(libvirt.poolSpace('tight')).rejects.toMatchObject({ code: 'notFound' });
});

test('facts: volumes that are asked for by name are found without a list of their pool', async () => {
  const names = ['base.qcow2', 'nope.qcow2'];
  const facts = await libvirt.facts({
    details: [...names.map((name) => ({ pool: host.pool, name })), { pool: 'nope', name: 'base.qcow2' }],
  });
  const path = `${host.poolPath}/base.qcow2`;
  expect(facts.volumes).toEqual([{ pool: host.pool, name: 'base.qcow2', path }]);
  expect(facts.volumeDetails).toMatchObject([{ name: 'base.qcow2', path, format: 'qcow2' }]);
});

test('domain types: without KVM there is QEMU', async () => {
  const types = await libvirt.domainTypes();
  expect(types).toMatchObject({ kvm: false, qemu: true });
  expect(types.machines).toEqual(expect.arrayContaining(['pc', 'q35']));
});

test('volumes: found with size and backing, removed once and for all', async () => {
  await defineGuest(host, 'disk');
  await expect(libvirt.volume(host.pool, 'disk.qcow2')).resolves.toMatchObject({
    path: `${host.poolPath}/disk.qcow2`,
    capacityBytes: 64 * 1024 * 1024,
    format: 'qcow2',
    backingPath: `${host.poolPath}/base.qcow2`,
  });
  await libvirt.removeVolume(host.pool, 'disk.qcow2');
  await expect(libvirt.volume(host.pool, 'disk.qcow2')).resolves.toBeUndefined();
  // Removing what is gone, or was never there, is no error.
  await libvirt.removeVolume(host.pool, 'disk.qcow2');
  await libvirt.removeVolume('nope', 'disk.qcow2');
  await libvirt.removeDomain('disk');
});

test('a leftover goes whatever its state, and nothing else does', async () => {
  await defineGuest(host, 'left-off');
  await defineGuest(host, 'left-on');
  await defineGuest(host, 'left-saved');
  await virsh(host, ['start', 'left-on']);
  await virsh(host, ['start', 'left-saved']);
  await virsh(host, ['managedsave', 'left-saved']);
  // virsh takes a name of digits for the id of a running domain: this one has the id of left-on.
  const id = (await virsh(host, ['domid', 'left-on'])).trim();
  await defineGuest(host, id);

  await libvirt.removeDomain(id);
  const left = (await libvirt.domains()).map(({ name, state }) => [name, state]);
  expect(left).toEqual(
    expect.arrayContaining([
      ['left-on', 'running'],
      ['left-off', 'shutoff'],
    ]),
  );
  expect(left).not.toContainEqual([id, expect.anything()]);

  for (const name of ['left-off', 'left-on', 'left-saved', 'left-on']) await libvirt.removeDomain(name);
  const names = (await libvirt.facts()).domains;
  expect(names.filter((name) => name.startsWith('left-'))).toEqual([]);
}, 60_000);

test('a domain is found by its exact name, also when that looks like an id', async () => {
  await defineGuest(host, 'seen');
  await virsh(host, ['start', 'seen']);
  const id = (await virsh(host, ['domid', 'seen'])).trim();
  await expect(libvirt.domain(id)).resolves.toBeUndefined();
  await expect(libvirt.domain('seen')).resolves.toMatchObject({ name: 'seen', description: 'mark of seen' });
  await libvirt.removeDomain('seen');
}, 30_000);

test('a booted guest: state, lease and console, seen alike alone and among all', async () => {
  const agent = `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`;
  await defineGuest(host, 'booted', { devices: agent });
  await virsh(host, ['autostart', 'booted']);
  await virsh(host, ['start', 'booted']);
  const console = await GuestConsole.open(host.uri, 'booted');
  onTestFinished(() => console.close());
  const ready = await console.waitFor(/caplv-guest ready: \S+ (\S+)\n/);

  const seen = await libvirt.domain('booted');
  expect(seen).toMatchObject({
    state: 'running',
    reason: 'booted',
    autostart: true,
    persistent: true,
    console: expect.stringMatching(/^\/dev\/pts\//),
    guestAgent: 'disconnected',
    addresses: [
      { address: ready[1], family: 'ipv4', prefix: 24, source: 'lease', mac: seen?.interfaces[0]?.mac },
    ],
  });
  expect((await libvirt.domains()).find(({ name }) => name === 'booted')).toEqual(seen);
  // An agent that does not run is no error, and costs the addresses of the other sources nothing.
  await expect(libvirt.addresses('booted', ['lease', 'agent', 'arp'])).resolves.toMatchObject(
    seen?.addresses ?? [],
  );
  await expect(libvirt.addresses('booted', ['agent'])).resolves.toEqual([]);
  expect((await libvirt.leases([host.network])).get(host.network)?.map(({ address }) => address)).toContain(
    ready[1],
  );

  await libvirt.removeDomain('booted');
  await expect(libvirt.addresses('booted', ['lease'])).resolves.toEqual([]);
}, 120_000);

test('shutdown: a request that the guest lost while it booted is made again', async () => {
  await defineGuest(host, 'booting');
  await virsh(host, ['start', 'booting']);
  const requests: number[] = [];
  // The first request meets the firmware, which does not listen.
  const outcome = await libvirt.shutdown('booting', {
    timeoutMs: 120_000,
    onProgress: (progress) => requests.push(progress.requests),
  });
  expect(outcome).toBe('off');
  expect(requests.length).toBeGreaterThan(1);
  await expect(libvirt.domain('booting')).resolves.toMatchObject({ state: 'shutoff', reason: 'shutdown' });

  // Already off, or missing.
  await expect(libvirt.shutdown('booting', { timeoutMs: 0 })).resolves.toBe('off');
  await expect(libvirt.shutdown('nope', { timeoutMs: 0 })).resolves.toBe('off');
  await libvirt.removeDomain('booting');
}, 150_000);

test('shutdown: a guest that does not listen ends in timeout, and goes on', async () => {
  await defineGuest(host, 'deaf');
  await virsh(host, ['start', '--paused', 'deaf']);
  await expect(libvirt.shutdown('deaf', { timeoutMs: 100 })).resolves.toBe('timeout');
  await expect(libvirt.domain('deaf')).resolves.toMatchObject({ state: 'paused' });

  const gaveUp = new Error('caplv stops');
  const controller = new AbortController();
  const waiting = libvirt.shutdown('deaf', {
    timeoutMs: 120_000,
    signal: controller.signal,
    onProgress: () => controller.abort(gaveUp),
  });
  await expect(waiting).rejects.toBe(gaveUp);
  await libvirt.removeDomain('deaf');
}, 30_000);

test('events: the life of a guest, over a restart of libvirtd', async () => {
  const controller = new AbortController();
  const events = libvirt.events(controller.signal)[Symbol.asyncIterator]();
  await expect(events.next()).resolves.toMatchObject({ value: { kind: 'connected' } });

  await defineGuest(host, 'lively');
  await virsh(host, ['start', 'lively']);
  const of = (change: string) =>
    nextEvent(
      events,
      (event) => event.kind === 'lifecycle' && event.domain === 'lively' && event.change === change,
    );
  await of('defined');
  await of('started');

  await host.stopLibvirtd();
  const lost = await nextEvent(events, ({ kind }) => kind === 'disconnected');
  expect(lost).toMatchObject({ error: { code: 'unreachable' } });
  await expect(libvirt.domains()).rejects.toMatchObject({
    code: 'unreachable',
    fix: expect.stringContaining('Start libvirt'),
  });
  await host.startLibvirtd();
  await nextEvent(events, ({ kind }) => kind === 'connected');

  await virsh(host, ['destroy', 'lively']);
  await expect(of('stopped')).resolves.toMatchObject({ detail: 'Destroyed' });
  await libvirt.removeDomain('lively');
  await of('undefined');

  const next = events.next();
  controller.abort();
  await expect(next).resolves.toMatchObject({ done: true });
  // Nothing listens any longer.
  const { stdout } = await execa('pgrep', ['-f', `${host.uri}.*event`], { reject: false });
  expect(stdout).toBe('');
}, 120_000);
