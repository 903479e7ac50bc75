/** Which volumes of a host stand on others: without its base the data of an overlay is lost. */

import type { VolumeFacts } from '../../libvirt/host-facts.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { Volume, VolumeKey } from '../../libvirt/volume.ts';

/** Finds a volume, in any active pool, that is an overlay of one of `bases`. Throws LibvirtError. */
export async function findOverlay(
  libvirt: Libvirt,
  bases: readonly VolumeKey[],
): Promise<Volume | undefined> {
  const { volumes } = await libvirt.inventory();
  const { volumeDetails } = await libvirt.facts({ details: volumes });
  return overlayOf(bases, volumes, volumeDetails);
}

/** `volumes`: all of the host, `details`: of the same. Undefined: nothing stands on any of `bases`. */
export function overlayOf(
  bases: readonly VolumeKey[],
  volumes: readonly VolumeFacts[],
  details: readonly Volume[],
): Volume | undefined {
  const paths = new Set(
    volumes
      .filter((one) => bases.some(({ pool, name }) => pool === one.pool && name === one.name))
      .map(({ path }) => path),
  );
  return details.find(({ backingPath }) => backingPath !== undefined && paths.has(backingPath));
}
