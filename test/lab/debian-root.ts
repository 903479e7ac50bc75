/** Provides libvirt and QEMU of another Debian release, whose programs replace those of this machine inside of a sandbox. */

import { join } from 'node:path';
import { cached } from './cache.ts';
import { debootstrap } from './debootstrap.ts';

const PACKAGES = [
  'dnsmasq-base',
  'iproute2',
  'iptables',
  'kmod',
  'libvirt-clients',
  'libvirt-daemon',
  'libvirt-daemon-driver-network',
  'libvirt-daemon-driver-qemu',
  'libvirt-daemon-driver-storage',
  'libvirt-daemon-log',
  'nftables',
  'ovmf',
  'procps',
  'qemu-system-x86',
  'qemu-utils',
];

/**
 * Returns the root file system of a Debian release with libvirt, from the cache, or builds it (a minute, 300 MB). Needs root.
 *
 * @param release for example `trixie`, which has libvirt 11.3 and QEMU 10.0
 */
export async function debianRoot(release: string): Promise<string> {
  if (!/^[a-z]+$/.test(release)) throw new Error(`"${release}" is not the name of a Debian release`);
  const directory = await cached(join('debian', release), async (scratch) => {
    await debootstrap({ release, packages: PACKAGES, target: join(scratch, 'root') });
  });
  return join(directory, 'root');
}
