/** Defines and changes guests with virsh. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { DomainEvent } from '../../src/libvirt/events.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';

/** Runs virsh on a host of the lab: tests change the host in their own way, not by the code under test. */
export async function virsh(host: LibvirtHost, args: readonly string[]): Promise<string> {
  const { stdout } = await execa('virsh', ['-q', '-c', host.uri, ...args]);
  return stdout;
}

export interface GuestOptions {
  /** Further devices, as libvirt XML. */
  readonly devices?: string;
}

/** Defines a guest of 128 MiB on the network `default` whose disk is an overlay on the volume base.qcow2; does not start it. */
export async function defineGuest(
  host: LibvirtHost,
  name: string,
  options: GuestOptions = {},
): Promise<void> {
  await virsh(host, [
    'vol-create-as',
    ...[host.pool, `${name}.qcow2`, '64M', '--format', 'qcow2'],
    ...['--backing-vol', 'base.qcow2', '--backing-vol-format', 'qcow2'],
  ]);
  const xml = `<domain type='qemu'>
    <name>${name}</name><description>mark of ${name}</description>
    <memory unit='MiB'>128</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
    <devices>
      <disk type='file' device='disk'>
        <driver name='qemu' type='qcow2'/><source file='${host.poolPath}/${name}.qcow2'/><target dev='vda' bus='virtio'/>
      </disk>
      <interface type='network'><source network='${host.network}'/><model type='virtio'/></interface>
      <serial type='pty'/>${options.devices ?? ''}
    </devices></domain>`;
  const file = join(host.directory, `${name}.xml`);
  await writeFile(file, xml);
  await virsh(host, ['define', file]);
}

/** Reads events up to and with the first one that fits. */
export async function nextEvent(
  events: AsyncIterator<DomainEvent>,
  fits: (event: DomainEvent) => boolean,
): Promise<DomainEvent> {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error('the events ended before the one waited for');
    if (fits(value)) return value;
  }
}
