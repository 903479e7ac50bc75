/**
 * QEMU opens for a guest whatever file the header of its disk names. Headers are written by servers of images and, in raw disks, by
 * guests; so what a domain will stand on is looked at, as libvirt reads it, before the domain is made.
 */

import { TerminalError } from '../../errors.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { isImageVolume } from '../../intent/names.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';

/** `facts`: with the volumes that the intent names; what is not among them is asked for. Throws TerminalError ImageInvalid. */
export async function refuseDisguisedVolumes(
  { rootDisk, disks }: MachineIntent,
  { volumeDetails }: HostFacts,
  libvirt: Libvirt,
): Promise<void> {
  const { pool, volume } = rootDisk.base;
  const seen = volumeDetails.find((one) => one.pool === pool && one.name === volume);
  // The server may have sent the provider something else than what was looked at before.
  const base = isImageVolume(volume) ? (seen ?? (await libvirt.volume(pool, volume))) : undefined;
  if (base?.backingPath !== undefined) {
    throw new TerminalError({
      code: 'ImageInvalid',
      message: `the image, imported as ${volume}, is an overlay of another file of the host`,
      fix: 'make one file of it (qemu-img convert -O qcow2 INPUT OUTPUT), and delete the Machines that use it',
    });
  }
  for (const disk of disks) {
    if (disk.kind !== 'new' || disk.format !== 'raw') continue;
    const found = await libvirt.volume(disk.pool, disk.volume);
    // The provider would have QEMU read it as qcow2.
    if (found === undefined || found.format !== 'qcow2') continue;
    throw new TerminalError({
      code: 'ImageInvalid',
      message: `the guest has written the header of a qcow2 image into its raw disk ${disk.name}`,
      fix: `overwrite the start of the volume ${disk.volume} if its data allow it, or delete the Machine`,
    });
  }
}
