/** Builds a bootable disk from a root file system. */

import { cp, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';

const INIT = join(import.meta.dirname, 'initrd-init.sh');
const MIB = 2 ** 20;
/** A table, a FAT16 partition to boot from, and the root file system up to the end. */
const BOOT = { start: MIB, size: 64 * MIB };
const ROOT_START = BOOT.start + BOOT.size;
const DISK_BYTES = 5 * 1024 * MIB;

/** In Debian's cloud kernel ext4 is no module. */
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod', 'ext4'];

/** Kernel parameters for emulated hardware: https://docs.kernel.org/admin-guide/kernel-parameters.html */
const KERNEL_ARGUMENTS =
  'console=ttyS0 quiet no_timer_check mitigations=off audit=0 apparmor=0 nowatchdog tsc=reliable systemd.show_status=0 panic=10';

const BOOT_MENU = `default guest
prompt 0
label guest
  kernel /vmlinuz
  initrd /initrd
  append ${KERNEL_ARGUMENTS}
`;

/** Makes a qcow2 image of the root tree that boots by BIOS, without mounts or loop devices; returns its path. */
export async function nodeDisk(scratch: string, root: string): Promise<string> {
  const release = (await readdir(join(root, 'lib/modules')))[0];
  if (!release) throw new Error('the root tree has no kernel');
  // sfdisk, mke2fs and mkfs.vfat live in /usr/sbin, which a user's PATH may lack.
  const run = execa({ cwd: scratch, env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } });
  await buildInitrd(scratch, root, release);
  await writeFile(join(scratch, 'disk'), await readFile('/usr/lib/syslinux/mbr/mbr.bin'));
  await truncate(join(scratch, 'disk'), DISK_BYTES);
  await run('sfdisk', ['--quiet', 'disk'], {
    input: `start=${BOOT.start / 512}, size=${BOOT.size / 512}, type=c, bootable\nstart=${ROOT_START / 512}, type=83\n`,
  });
  const fat = ['-F', '16', '--offset', String(BOOT.start / 512), 'disk', String(BOOT.size / 1024)];
  await run('mkfs.vfat', fat);
  await writeFile(join(scratch, 'syslinux.cfg'), BOOT_MENU);
  await cp(join(root, `boot/vmlinuz-${release}`), join(scratch, 'vmlinuz'));
  await run('mcopy', ['-i', `disk@@${BOOT.start}`, 'vmlinuz', 'initrd', 'syslinux.cfg', '::']);
  await run('syslinux', ['--install', '--offset', String(BOOT.start), 'disk']);
  await run('mke2fs', [
    ...['-q', '-t', 'ext4', '-L', 'caplvroot', '-O', '^metadata_csum,^has_journal'],
    ...['-E', `offset=${ROOT_START},lazy_itable_init=1,root_owner=0:0`, '-d', root],
    ...['disk', String((DISK_BYTES - ROOT_START) / 1024)],
  ]);
  await run('qemu-img', ['convert', '-O', 'qcow2', 'disk', 'node.qcow2']);
  for (const name of ['disk', 'initrd', 'vmlinuz', 'syslinux.cfg']) await rm(join(scratch, name));
  return join(scratch, 'node.qcow2');
}

async function buildInitrd(scratch: string, root: string, release: string): Promise<void> {
  const initrd = join(scratch, 'initrd-root');
  for (const name of ['bin', 'modules']) await mkdir(join(initrd, name), { recursive: true });
  await cp('/bin/busybox', join(initrd, 'bin/busybox'));
  await symlink('busybox', join(initrd, 'bin/sh'));
  await cp(INIT, join(initrd, 'init'));
  for (const [index, module] of (await modulesOf(root, release)).entries()) {
    const name = `${String(index).padStart(2, '0')}-${basename(module)}`;
    await cp(join(root, module), join(initrd, 'modules', name));
  }
  const files = (await readdir(initrd, { recursive: true })).sort();
  await execa('cpio', ['--create', '--format=newc', '--owner=0:0', '--quiet', '--file=../initrd'], {
    cwd: initrd,
    input: `${files.join('\n')}\n`,
  });
  await rm(initrd, { recursive: true });
}

/** Paths of the modules and of what they need, in load order. */
async function modulesOf(root: string, release: string): Promise<string[]> {
  const { stdout } = await execa(
    'chroot',
    [root, 'modprobe', '--set-version', release, '--show-depends', '--all', ...MODULES],
    { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
  );
  const paths = stdout.split('\n').flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []);
  return [...new Set(paths)];
}
