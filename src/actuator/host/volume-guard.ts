/**
 * QEMU opens for a guest whatever file the header of its disk names. Headers are written by servers of images and, in raw disks, by
 * guests; so what a domain will stand on is looked at, as it is then, before the domain is made.
 */

import type { DataDiskIntent, ImageIntent } from '../../../stacks/intent.ts';
import { TerminalError } from '../../errors.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { HEADER_BYTES, isQcow2, otherFile } from '../../intent/image/header.ts';
import { isImageVolume } from '../../intent/names.ts';
import type { Policy } from '../../intent/policy.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { formatProblem, type Volume } from '../../libvirt/volume.ts';

/**
 * `facts`: with the volumes that the intent names; what is not among them is asked for. What the machine's author named of the host's own
 * may be anything where everything is allowed. Throws TerminalError ImageInvalid.
 */
export async function refuseDisguisedVolumes(
  { rootDisk, disks }: MachineIntent,
  { volumeDetails }: HostFacts,
  libvirt: Libvirt,
  policy: Pick<Policy, 'everything'>,
): Promise<void> {
  const { pool, volume } = rootDisk.base;
  if (isImageVolume(volume) || !policy.everything) {
    const seen = volumeDetails.find((one) => one.pool === pool && one.name === volume);
    const base = seen ?? (await libvirt.volume(pool, volume));
    const what = isImageVolume(volume) ? `the image, imported as ${volume},` : `the volume ${pool}/${volume}`;
    if (base) requireOneFile(base, what);
    // The bytes of an image that was imported were looked at on their way.
    if (base && !isImageVolume(volume)) await refuseOtherFiles(libvirt, base.path, what);
  }
  for (const disk of disks) {
    if (disk.kind === 'new') await refuseDisguise(libvirt, disk);
    else if (!policy.everything) {
      await refuseOtherFiles(libvirt, disk.volumeKey, `the volume of the disk ${disk.name}`);
    }
  }
}

/** Throws TerminalError ImageInvalid for an imported image that libvirt, reading its content now, takes for more than one file. */
export async function refuseOtherFormats(libvirt: Libvirt, { pool, volume }: ImageIntent): Promise<void> {
  const found = await libvirt.refreshedVolume(pool, volume);
  if (found) requireOneFile(found, `the image, imported as ${volume},`);
}

/** The provider has QEMU read a raw disk as qcow2 if libvirt does, and all others as raw. */
async function refuseDisguise(
  libvirt: Libvirt,
  disk: Extract<DataDiskIntent, { readonly kind: 'new' }>,
): Promise<void> {
  if (disk.format !== 'raw') return;
  const found = await libvirt.volume(disk.pool, disk.volume);
  const header = found && (await libvirt.volumeHeader(found.path, HEADER_BYTES));
  if (!header || !isQcow2(header)) return;
  throw new TerminalError({
    code: 'ImageInvalid',
    message: `the guest has written the header of a qcow2 image into its raw disk ${disk.name}`,
    fix: `overwrite the start of the volume ${disk.volume} if its data allow it, or delete the Machine`,
  });
}

/** Libvirt 9 does not tell of an external data file; and what it tells of a header is as old as its last look. */
async function refuseOtherFiles(libvirt: Libvirt, key: string, what: string): Promise<void> {
  const header = await libvirt.volumeHeader(key, HEADER_BYTES);
  const file = header && otherFile(header);
  if (file !== undefined) throw notOneFile(`${what} names ${file} of its host`);
}

function requireOneFile(volume: Volume, what: string): void {
  const problem = formatProblem(volume);
  if (problem !== undefined) throw notOneFile(`${what} ${problem}`);
}

function notOneFile(message: string): TerminalError {
  return new TerminalError({
    code: 'ImageInvalid',
    message,
    fix: 'make one file of it (qemu-img convert -O qcow2 INPUT OUTPUT), and delete the Machines that use it',
  });
}
