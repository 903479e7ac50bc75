/** Verifies that the guest image boots with BIOS and UEFI, and reads its seed. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GuestConsole } from './guest-console.ts';
import { Lab } from './lab.ts';

let lab: Lab;
let uri: string;
let pool: string;

beforeAll(async () => {
  lab = await Lab.up({ name: 'test-guest', fresh: true });
  uri = lab.hosts[0]?.uri ?? '';
  pool = lab.hosts[0]?.poolPath ?? '';
});

afterAll(() => lab?.down());

test('on pc with BIOS: all of its devices, the host name of its user data, an address on each interface', async () => {
  await makeSeed('bios', { 'user-data': '#cloud-config\nhostname: "web-1"\n' });
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', join(pool, 'data.qcow2'), '50M']);
  const guest = await boot(
    'bios',
    `<memory unit='MiB'>128</memory><os><type machine='pc'>hvm</type></os>`,
    `<disk type='file' device='cdrom'><source file='${pool}/bios.iso'/><target dev='hda' bus='ide'/></disk>
     <disk type='file'><driver name='qemu' type='qcow2'/><source file='${pool}/data.qcow2'/><target dev='vdb' bus='virtio'/></disk>
     <interface type='network'><source network='default'/><model type='virtio'/></interface>`,
  );
  try {
    await guest.waitFor(
      /caplv-guest ready: web-1 192\.168\.122\.\d+\n[\s\S]*caplv-guest ready: web-1 192\.168\.122\.\d+\n/,
    );
    const leases = await virsh('net-dhcp-leases', 'default');
    expect(leases).toContain('web-1');

    // A client that attaches late presses Enter for the prompt.
    guest.send('');
    await guest.waitFor(/uptime[\s\S]*Enter shows this again/);
    const status = guest.text.slice(guest.text.indexOf('caplv-guest status'));
    expect(status).toMatch(/hostname +web-1\n/);
    expect(status).toMatch(/instance-id +id-of-bios\n/);
    expect(status).toMatch(/vdb +50 MiB\n/);
    for (const address of leases.match(/192\.168\.122\.\d+/g) ?? []) expect(status).toContain(address);

    await pressPowerButton('bios', guest);
  } finally {
    await guest.close();
  }
});

test('on q35 with UEFI: seed on virtio-scsi, the host name of its meta-data, a script as user data', async () => {
  await makeSeed('uefi', { 'user-data': '#!/bin/sh\necho "my name is $(hostname)"\nexit 3\n' });
  const guest = await boot(
    'uefi',
    `<memory unit='MiB'>256</memory>
     <os><type machine='q35'>hvm</type>
       <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
       <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/></os>`,
    `<controller type='scsi' model='virtio-scsi'/>
     <disk type='file' device='cdrom'><source file='${pool}/uefi.iso'/><target dev='sda' bus='scsi'/></disk>`,
  );
  try {
    await guest.waitFor(/caplv-guest ready: uefi 192\.168\.122\.\d+\n/);
    await guest.waitFor(/my name is uefi\n[\s\S]*caplv-guest user-data: exit 3\n/);
    await pressPowerButton('uefi', guest);
  } finally {
    await guest.close();
  }
});

async function makeSeed(name: string, files: Record<string, string>): Promise<void> {
  const all = { ...files, 'meta-data': `instance-id: id-of-${name}\nlocal-hostname: ${name}\n` };
  const paths: string[] = [];
  for (const [file, content] of Object.entries(all)) {
    const path = join(lab.directory, `${name}.${file}`);
    await writeFile(path, content);
    paths.push(`${file}=${path}`);
  }
  const iso = join(pool, `${name}.iso`);
  await execa('genisoimage', ['-quiet', '-o', iso, '-V', 'cidata', '-J', '-r', '-graft-points', ...paths]);
}

async function boot(name: string, machine: string, devices: string): Promise<GuestConsole> {
  const root = join(pool, `${name}.qcow2`);
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', lab.imagePath, '-F', 'qcow2', root]);
  const xml = `<domain type='qemu'>
    <name>${name}</name><vcpu>1</vcpu><features><acpi/></features>
    ${machine}
    <devices>
      <disk type='file'><driver name='qemu' type='qcow2'/><source file='${root}'/><target dev='vda' bus='virtio'/></disk>
      <interface type='network'><source network='default'/><model type='virtio'/></interface>
      <serial type='pty'/>
      ${devices}
    </devices>
  </domain>`;
  const file = join(lab.directory, `${name}.xml`);
  await writeFile(file, xml);
  await virsh('create', file);
  return GuestConsole.open(uri, name);
}

async function pressPowerButton(name: string, guest: GuestConsole): Promise<void> {
  await virsh('shutdown', name);
  await guest.waitFor(/caplv-guest powering off/);
  await guest.ended();
  expect(guest.text).toContain('reboot: Power down');
}

async function virsh(...command: string[]): Promise<string> {
  return (await execa('virsh', ['-q', '-c', uri, ...command])).stdout;
}
