/** Builds the small image that guests of tests boot. */

import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cached } from './cache.ts';
import { type GuestKernel, guestKernel } from './guest-kernel.ts';

const INIT = join(import.meta.dirname, 'guest-init.sh');
const ON_LEASE = join(import.meta.dirname, 'guest-on-lease.sh');

/** In load order. Debian's cloud kernel has no AHCI: on q35 the seed is seen on virtio-scsi or as a virtio disk. */
const MODULES = [
  ...['drivers/virtio/virtio_ring', 'drivers/virtio/virtio', 'drivers/virtio/virtio_pci_legacy_dev'],
  ...['drivers/virtio/virtio_pci_modern_dev', 'drivers/virtio/virtio_pci'],
  ...['net/core/failover', 'drivers/net/net_failover', 'drivers/net/virtio_net', 'drivers/block/virtio_blk'],
  ...['drivers/scsi/scsi_common', 'drivers/scsi/scsi_mod', 'drivers/ata/libata', 'drivers/ata/ata_piix'],
  ...['drivers/scsi/virtio_scsi', 'drivers/cdrom/cdrom', 'drivers/scsi/sr_mod', 'fs/isofs/isofs'],
  ...['drivers/acpi/button', 'drivers/input/evdev'],
];

/** A table of 2048 sectors, then one partition: the smallest disk on which FAT16 is valid and the kernel fits. */
const DISK_BYTES = 28 * 2 ** 20;
const PARTITION_BYTES = 2 ** 20;

const EFI_LOADER = '/usr/lib/SYSLINUX.EFI/efi64/syslinux.efi';
const EFI_LOADER_CORE = '/usr/lib/syslinux/modules/efi64/ldlinux.e64';

const BOOT_MENU = `default guest
prompt 0
label guest
  kernel /vmlinuz
  initrd /initrd
  append console=ttyS0 quiet no_timer_check mitigations=off panic=10
`;

/**
 * Path of a small qcow2 image (BIOS and UEFI; machine types pc and q35) that boots by itself from its disk within seconds under
 * TCG, and needs 96 MiB of memory. What it does is in guest-init.sh. Built from Debian packages only, without mounts or
 * loop devices, in about 3 s; then cached by the content of all that goes into it.
 */
export async function guestImage(progress: (line: string) => void = () => {}): Promise<string> {
  const kernel = await guestKernel(progress);
  const key = await contentKey(kernel);
  const directory = await cached(join('guest', key), async (scratch) => {
    progress('building the guest image');
    await buildInitrd(scratch, kernel);
    await buildDisk(scratch, kernel);
  });
  return join(directory, 'guest.qcow2');
}

async function contentKey(kernel: GuestKernel): Promise<string> {
  const hash = createHash('sha256').update(kernel.release);
  for (const file of [INIT, ON_LEASE, import.meta.filename]) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

async function buildInitrd(scratch: string, kernel: GuestKernel): Promise<void> {
  const root = join(scratch, 'root');
  for (const name of ['bin', 'dev', 'etc', 'modules', 'proc', 'run', 'seed', 'sys', 'tmp']) {
    await mkdir(join(root, name), { recursive: true });
  }
  await cp('/bin/busybox', join(root, 'bin/busybox'));
  await symlink('busybox', join(root, 'bin/sh'));
  await cp(INIT, join(root, 'init'));
  await cp(ON_LEASE, join(root, 'bin/on-lease'));
  for (const [index, module] of MODULES.entries()) {
    const name = `${String(index).padStart(2, '0')}-${module.split('/').at(-1)}.ko`;
    await cp(join(kernel.modules, `${module}.ko`), join(root, 'modules', name));
  }
  const files = (await readdir(root, { recursive: true })).sort();
  await execa('cpio', ['--create', '--format=newc', '--owner=0:0', '--quiet', '--file=../initrd'], {
    cwd: root,
    input: `${files.join('\n')}\n`,
  });
  await rm(root, { recursive: true });
}

async function buildDisk(scratch: string, kernel: GuestKernel): Promise<void> {
  // sfdisk and mkfs.vfat live in /usr/sbin, which a user's PATH may lack.
  const run = execa({ cwd: scratch, env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } });
  await writeFile(join(scratch, 'disk'), await readFile('/usr/lib/syslinux/mbr/mbr.bin'));
  await truncate(join(scratch, 'disk'), DISK_BYTES);
  await run('sfdisk', ['--quiet', 'disk'], {
    input: `start=${PARTITION_BYTES / 512}, type=c, bootable\n`,
  });
  const sectors = String((DISK_BYTES - PARTITION_BYTES) / 1024);
  await run('mkfs.vfat', ['-F', '16', '--offset', String(PARTITION_BYTES / 512), 'disk', sectors]);
  await writeFile(join(scratch, 'syslinux.cfg'), BOOT_MENU);
  await cp(kernel.image, join(scratch, 'vmlinuz'));
  const partition = `disk@@${PARTITION_BYTES}`;
  await run('mcopy', ['-i', partition, 'vmlinuz', 'initrd', 'syslinux.cfg', '::']);
  // BIOS starts from the boot sectors, UEFI from a file of this name.
  await run('mmd', ['-i', partition, '::EFI', '::EFI/BOOT']);
  await run('mcopy', ['-i', partition, EFI_LOADER, '::EFI/BOOT/BOOTX64.EFI']);
  await run('mcopy', ['-i', partition, EFI_LOADER_CORE, '::EFI/BOOT/']);
  await run('syslinux', ['--install', '--offset', String(PARTITION_BYTES), 'disk']);
  await run('qemu-img', ['convert', '-c', '-O', 'qcow2', 'disk', 'guest.qcow2']);
  for (const name of ['disk', 'vmlinuz', 'initrd', 'syslinux.cfg']) await rm(join(scratch, name));
}
