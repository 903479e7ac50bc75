/** Disks that are larger than asked for stay as they are: nothing can make them smaller, and their data is worth more than the space. */

import type { MachineIntent } from '../../intent/hosted-intent.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { Volume, VolumeKey } from '../../libvirt/volume.ts';

/** The intent with the sizes that its disks have, where those are larger. `volumes`: that are there; others do not matter. */
export function atActualSize(intent: MachineIntent, volumes: readonly Volume[]): MachineIntent {
  const largest = <T extends { readonly sizeBytes?: number }>(disk: T, { pool, name }: VolumeKey): T => {
    const capacity = volumes.find((one) => one.pool === pool && one.name === name)?.capacityBytes ?? 0;
    return disk.sizeBytes !== undefined && capacity > disk.sizeBytes
      ? { ...disk, sizeBytes: capacity }
      : disk;
  };
  const rootDisk = largest(intent.rootDisk, keyOf(intent.rootDisk));
  const disks = intent.disks.map((disk) => (disk.kind === 'new' ? largest(disk, keyOf(disk)) : disk));
  const isSame = rootDisk === intent.rootDisk && disks.every((disk, index) => disk === intent.disks[index]);
  return isSame ? intent : { ...intent, rootDisk, disks };
}

/** As `atActualSize`, with the volumes as libvirt has them now. Asks nothing for a machine whose disks are as large as its image. */
export async function askActualSize(intent: MachineIntent, libvirt: Libvirt): Promise<MachineIntent> {
  const details = [
    ...(intent.rootDisk.sizeBytes === undefined ? [] : [keyOf(intent.rootDisk)]),
    ...intent.disks.flatMap((disk) => (disk.kind === 'new' ? [keyOf(disk)] : [])),
  ];
  if (details.length === 0) return intent;
  return atActualSize(intent, (await libvirt.facts({ details })).volumeDetails);
}

function keyOf({ pool, volume }: { readonly pool: string; readonly volume: string }): VolumeKey {
  return { pool, name: volume };
}
