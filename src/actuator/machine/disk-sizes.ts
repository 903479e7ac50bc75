/**
 * Sizes of disks that are there. One that is larger than asked for stays as it is, since nothing can make it smaller. One that is smaller
 * is grown in place, beside Terraform, which could only replace it.
 */

import type { MachineIntent } from '../../intent/hosted-intent.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { Volume, VolumeKey } from '../../libvirt/volume.ts';
import type { State } from '../../terraform/format/state.ts';

/** A disk that is to be larger than its volume. */
export interface DiskGrowth {
  /** Address of the volume in the stack. */
  readonly address: string;
  /** `root`, or a name in `disks`. */
  readonly name: string;
  readonly volume: Volume;
  readonly toBytes: number;
}

/** A disk of the intent with a size and a volume of its own. */
interface SizedDisk extends VolumeKey {
  readonly disk: string;
  readonly sizeBytes: number;
}

/**
 * The intent with the sizes that its disks have, where those are larger, or are in `growth`. `volumes`: that are there; others do not
 * matter.
 */
export function atActualSize(
  intent: MachineIntent,
  volumes: readonly Volume[],
  growth: readonly DiskGrowth[] = [],
): MachineIntent {
  const sized = <T extends { readonly sizeBytes?: number }>(disk: T, key: VolumeKey): T => {
    const capacity = findVolume(volumes, key)?.capacityBytes ?? 0;
    const isGrowing = growth.some(({ volume }) => volume.pool === key.pool && volume.name === key.name);
    return disk.sizeBytes !== undefined && (capacity > disk.sizeBytes || isGrowing)
      ? { ...disk, sizeBytes: capacity }
      : disk;
  };
  const rootDisk = sized(intent.rootDisk, keyOf(intent.rootDisk));
  const disks = intent.disks.map((disk) => (disk.kind === 'new' ? sized(disk, keyOf(disk)) : disk));
  const isSame = rootDisk === intent.rootDisk && disks.every((disk, index) => disk === intent.disks[index]);
  return isSame ? intent : { ...intent, rootDisk, disks };
}

/** As `atActualSize`, with the volumes as libvirt has them now. Asks nothing for a machine whose disks are as large as its image. */
export async function askActualSize(intent: MachineIntent, libvirt: Libvirt): Promise<MachineIntent> {
  return atActualSize(intent, await askVolumes(intent, libvirt));
}

/** The volumes of disks that have a size, as far as they are there. */
export async function askVolumes(intent: MachineIntent, libvirt: Libvirt): Promise<readonly Volume[]> {
  const details = sizedDisks(intent).map(({ pool, name }) => ({ pool, name }));
  return details.length === 0 ? [] : (await libvirt.facts({ details })).volumeDetails;
}

/**
 * The disks that are to be larger than they are. `state`: called where there may be any; a volume that it does not know is no disk of the
 * machine yet, but the leftover of another one.
 */
export async function diskGrowth(
  intent: MachineIntent,
  volumes: readonly Volume[],
  state: () => Promise<State | undefined>,
): Promise<DiskGrowth[]> {
  const smaller = sizedDisks(intent).flatMap(({ disk, sizeBytes, ...key }) => {
    const volume = findVolume(volumes, key);
    return volume && volume.capacityBytes < sizeBytes ? [{ name: disk, volume, toBytes: sizeBytes }] : [];
  });
  if (smaller.length === 0) return [];
  const known = (await state())?.resources.filter(({ type }) => type === 'libvirt_volume') ?? [];
  return smaller.flatMap((one) => {
    const resource = known.find(
      ({ attributes: { pool, name } }) => pool === one.volume.pool && name === one.volume.name,
    );
    return resource ? [{ ...one, address: resource.address }] : [];
  });
}

function sizedDisks({ rootDisk, disks }: MachineIntent): SizedDisk[] {
  const root = { disk: 'root', ...keyOf(rootDisk), sizeBytes: rootDisk.sizeBytes };
  const data = disks.flatMap((disk) =>
    disk.kind === 'new' ? [{ disk: disk.name, ...keyOf(disk), sizeBytes: disk.sizeBytes }] : [],
  );
  return [root, ...data].filter((one): one is SizedDisk => one.sizeBytes !== undefined);
}

function findVolume(volumes: readonly Volume[], { pool, name }: VolumeKey): Volume | undefined {
  return volumes.find((one) => one.pool === pool && one.name === name);
}

function keyOf({ pool, volume }: { readonly pool: string; readonly volume: string }): VolumeKey {
  return { pool, name: volume };
}
