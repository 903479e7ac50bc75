/** Verifies that the watch of a host follows its domains, and reconnects. */

import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HostWatch } from '../../src/libvirt/host-watch.ts';
import { Libvirt } from '../../src/libvirt/libvirt.ts';
import { Lab } from '../lab/lab.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { defineGuest, virsh } from './guest.ts';

const soon = { timeout: 30_000 };

let lab: Lab;
let host: LibvirtHost;
let watch: HostWatch;
let running: Promise<void>;
const stop = new AbortController();
const changed: string[] = [];
const connections: boolean[] = [];
const errors: string[] = [];

beforeAll(async () => {
  lab = await Lab.up({ name: 'host-watch', fresh: true });
  host = lab.hosts[0] as LibvirtHost;
  await copyFile(lab.imagePath, `${host.poolPath}/base.qcow2`);
  await virsh(host, ['pool-refresh', host.pool]);
  await defineGuest(host, 'there');
  watch = new HostWatch({
    libvirt: new Libvirt({ uri: host.uri }),
    onChange: (domain) => changed.push(domain),
    onConnection: (error) => connections.push(error === undefined),
    onError: (error) => errors.push((error as Error).message),
    sweepMs: 500,
  });
  running = watch.run(stop.signal);
});

afterAll(async () => {
  stop.abort();
  await running;
  await lab?.down();
});

it('knows domains from before its start', async () => {
  await expect.poll(() => watch.domain('there')?.state, soon).toBe('shutoff');
  expect(changed).toContain('there');
});

it('does not vouch for a domain from the moment that it changes', async () => {
  changed.length = 0;
  await virsh(host, ['start', 'there']);
  await expect.poll(() => changed, soon).toContain('there');
  // Without an address it has to be asked for again and again: no event tells of a lease.
  expect(watch.domain('there')).toBeUndefined();
  await virsh(host, ['destroy', 'there']);
  await expect.poll(() => watch.domain('there')?.state, soon).toBe('shutoff');
});

it('accepts an answer to a question since the last change, and no earlier one', async () => {
  const libvirt = new Libvirt({ uri: host.uri });
  const end = new AbortController();
  let changes = 0;
  const onChange = () => {
    changes += 1;
  };
  const never = 3_600_000;
  const quiet = new HostWatch({ libvirt, onChange, onConnection: () => {}, sweepMs: never });
  const watching = quiet.run(end.signal);
  const ask = async () => {
    const tell = quiet.looking('there');
    const found = await libvirt.domain('there');
    return () => found && tell(found);
  };
  await expect.poll(() => quiet.domain('there')?.state, soon).toBe('shutoff');
  const early = await ask();
  changes = 0;
  await virsh(host, ['start', 'there']);
  await virsh(host, ['destroy', 'there']);
  await expect.poll(() => changes, soon).toBeGreaterThan(1);
  early();
  expect(quiet.domain('there')).toBeUndefined();
  const seen = async () => {
    (await ask())();
    return quiet.domain('there')?.state;
  };
  await expect.poll(seen, soon).toBe('shutoff');
  end.abort();
  await watching;
});

it('sees by its sweep what no event tells', async () => {
  changed.length = 0;
  await virsh(host, ['autostart', 'there']);
  await expect.poll(() => watch.domain('there')?.autostart, soon).toBe(true);
  expect(changed).toContain('there');
});

it('leaves out a domain whose definition cannot be read, names it, and continues with the others', async () => {
  const deep = `${'<a>'.repeat(200)}${'</a>'.repeat(200)}`;
  const odd = async (name: string, more: string) => {
    const file = join(host.directory, `${name}.xml`);
    const os = "<memory unit='MiB'>96</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>";
    await writeFile(file, `<domain type='qemu'><name>${name}</name>${os}${more}</domain>`);
    await virsh(host, ['define', file]);
  };
  await odd('deep', `<metadata><app:x xmlns:app="urn:x">${deep}</app:x></metadata>`);
  await odd('long', `<description>${'x'.repeat(300_000)}</description>`);
  await expect.poll(() => [watch.has('long'), watch.domain('deep')?.state], soon).toEqual([true, 'shutoff']);
  expect([watch.domain('long'), watch.unreadable]).toEqual([undefined, 1]);
  expect(errors).toEqual([expect.stringContaining('the definition of domain long cannot be read: it has')]);
  const libvirt = new Libvirt({ uri: host.uri });
  await expect(libvirt.domain('long')).rejects.toThrow('the definition of domain long cannot be read');
  expect((await libvirt.inventory()).unreadable).toEqual(['long']);
  await expect.poll(() => watch.domain('there')?.state, soon).toBe('shutoff');
  for (const name of ['deep', 'long']) await virsh(host, ['undefine', name]);
  await expect.poll(() => watch.has('long'), soon).toBe(false);
});

it('reports that the host is unreachable, and reconnects on its own', async () => {
  await host.stopLibvirtd();
  await expect.poll(() => watch.lost?.code, soon).toBe('unreachable');
  expect(watch.domain('there')).toBeUndefined();
  await host.startLibvirtd();
  await expect.poll(() => watch.domain('there')?.state, soon).toBe('shutoff');
  expect(watch.lost).toBeUndefined();
  expect(connections).toEqual([true, false, true]);
});
