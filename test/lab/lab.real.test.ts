/** Verifies that the libvirt hosts of a lab are isolated, and can be restarted and removed. */

import { existsSync } from 'node:fs';
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from './lab.ts';
import type { LibvirtHost } from './libvirt-host.ts';

const PAUSED_DOMAIN = `<domain type='qemu'>
  <name>same-name</name>
  <memory unit='MiB'>16</memory>
  <os><type>hvm</type></os>
</domain>`;

describe('a lab', () => {
  let lab: Lab;
  let before: string[];

  beforeAll(async () => {
    before = await machineLibvirt();
    lab = await Lab.up({ name: 'test-lab', fresh: true });
  });

  afterAll(() => lab?.down());

  test('has an active network and pool named default, as manifests expect', async () => {
    const host = firstHost(lab);
    expect(await virsh(host, 'net-list', '--name')).toBe('default');
    expect(await virsh(host, 'pool-list', '--name')).toBe('default');
    expect(await virsh(host, 'pool-dumpxml', 'default')).toContain(`<path>${host.poolPath}</path>`);
  });

  test('that is started again is the same one, with its guests', async () => {
    const host = firstHost(lab);
    await startPaused(host);
    const { pid } = await host.sandbox();
    const again = await Lab.up({ name: 'test-lab' });
    expect(again.env()).toEqual(lab.env());
    expect((await firstHost(again).sandbox()).pid).toBe(pid);
    expect(await virsh(host, 'list', '--name')).toBe('same-name');
  });

  test('whose libvirtd died gets a new one, and its guests go on', async () => {
    const host = firstHost(lab);
    await host.stopLibvirtd();
    expect(await host.isRunning()).toBe(false);
    await Lab.up({ name: 'test-lab' });
    expect(await virsh(host, 'list', '--name')).toBe('same-name');
    await virsh(host, 'destroy', 'same-name');
  });

  test('that was killed in whole comes back with the domains it had defined, despite stale files', async () => {
    const host = firstHost(lab);
    await virsh(host, 'define', await xmlFile(host));
    await host.kill();
    expect(existsSync(join(host.directory, 'run', 'libvirt-sock'))).toBe(true);
    await Lab.up({ name: 'test-lab' });
    expect(await virsh(host, 'list', '--all', '--name')).toBe('same-name');
    expect(await virsh(host, 'net-list', '--name')).toBe('default');
    await virsh(host, 'undefine', 'same-name');
  });

  test('and another one do not see each other', async () => {
    const other = await Lab.up({ name: 'test-lab-other', fresh: true });
    try {
      await startPaused(firstHost(lab));
      expect(await virsh(firstHost(other), 'list', '--all', '--name')).toBe('');
      await startPaused(firstHost(other));
      await other.down();
      expect(await virsh(firstHost(lab), 'list', '--name')).toBe('same-name');
    } finally {
      await other.down();
    }
  });

  test('leaves no process, namespace, mount or file behind when it goes down, even with guests running', async () => {
    const { pid } = await firstHost(lab).sandbox();
    const namespaces = await Promise.all(
      ['net', 'mnt', 'pid'].map((kind) => readlink(`/proc/${pid}/ns/${kind}`)),
    );
    expect(await processesIn(namespaces)).not.toEqual([]);
    await lab.down();
    expect(await processesIn(namespaces)).toEqual([]);
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(lab.directory);
    expect(existsSync(lab.directory)).toBe(false);
    expect(await Lab.find({ name: 'test-lab' })).toBeUndefined();
  });

  test('never writes where the libvirt of this machine has its files', async () => {
    expect(await machineLibvirt()).toEqual(before);
  });
});

test('two hosts linked to this machine are reached over TCP, by an address each', async () => {
  const lab = await Lab.up({ name: 'test-lab-tcp', hosts: 2, uplink: true, fresh: true });
  try {
    const [first, second] = await Promise.all(
      lab.hosts.map((host) => connect(host.tcpUri ?? '', 'capabilities')),
    );
    expect(hostUuid(first)).toBe(hostUuid(await virsh(firstHost(lab), 'capabilities')));
    expect(lab.hosts[0]?.tcpUri).not.toBe(lab.hosts[1]?.tcpUri);
    expect(second).toContain('<domain type=');
    expect(lab.env()['CAPLV_LIBVIRT_URI_2']).toBe(lab.hosts[1]?.uri);
  } finally {
    await lab.down();
  }
  const { stdout } = await execa('ip', ['-brief', 'address']);
  for (const host of lab.hosts) expect(stdout).not.toContain(host.uplink?.machineAddress);
});

test('a name that would lead elsewhere is refused', async () => {
  await expect(Lab.up({ name: '../etc' })).rejects.toThrow('lower case letters');
});

function firstHost(lab: Lab): LibvirtHost {
  const [host] = lab.hosts;
  if (!host) throw new Error('a lab has a host');
  return host;
}

function virsh(host: LibvirtHost, ...command: string[]): Promise<string> {
  return connect(host.uri, ...command);
}

async function connect(uri: string, ...command: string[]): Promise<string> {
  return (await execa('virsh', ['-q', '-c', uri, ...command])).stdout.trim();
}

async function xmlFile(host: LibvirtHost): Promise<string> {
  const path = join(host.directory, 'domain.xml');
  await writeFile(path, PAUSED_DOMAIN);
  return path;
}

async function startPaused(host: LibvirtHost): Promise<void> {
  await virsh(host, 'create', '--paused', await xmlFile(host));
}

function hostUuid(capabilities: string | undefined): string | undefined {
  return capabilities?.match(/<uuid>(.*)<\/uuid>/)?.[1];
}

/** Processes of this machine that are in one of the namespaces, or will put their children there. */
async function processesIn(namespaces: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const kind of ['net', 'mnt', 'pid', 'pid_for_children']) {
      const namespace = await readlink(`/proc/${pid}/ns/${kind}`).catch(() => '');
      if (namespaces.includes(namespace)) found.push(`${pid} ${kind}`);
    }
  }
  return found;
}

/** Lists the files where the libvirt of this machine has, or would have, its files. */
async function machineLibvirt(): Promise<string[]> {
  const directories = [
    '/run/libvirt',
    '/var/lib/libvirt',
    '/var/lib/libvirt/images',
    '/etc/libvirt/qemu/networks',
  ];
  const lists = await Promise.all(directories.map((directory) => readdir(directory).catch(() => [])));
  return lists.flatMap((names, index) => names.sort().map((name) => `${directories[index]}/${name}`));
}
