/** Keeps the sizes that a Machine's disks were given, and refuses to make one smaller. */

import type { MachineProviderStatus } from '../../../api/kinds/machine.ts';
import type { LibvirtMachineProviderSpec } from '../../../api/kinds/machine-provider-spec.ts';
import { TerminalError } from '../../../errors.ts';
import { ROOT_DISK } from '../../../intent/names.ts';

type DiskSizes = NonNullable<MachineProviderStatus['diskSizes']>;

type Disks = Pick<LibvirtMachineProviderSpec, 'rootDisk' | 'disks'>;

/** Returns the sizes that the spec gives, by disk; none for a disk that has the size of its image, or is an existing volume. */
export function diskSizes(spec: Disks): DiskSizes {
  return sizedDisks(spec).map(({ name, sizeGB }) => ({ name, sizeGB }));
}

/** Throws TerminalError InvalidConfiguration for a disk that is to be smaller than it was asked for before. `path`: of the provider spec. */
export function refuseShrink(spec: Disks, applied: DiskSizes | undefined, path: string): void {
  for (const { name, sizeGB, field } of sizedDisks(spec)) {
    const before = applied?.find((one) => one.name === name)?.sizeGB ?? 0;
    if (sizeGB >= before) continue;
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path: `${path}.${field}.sizeGB`,
      message: `the disk ${name} has ${before} GB, and a disk is not made smaller: what is at its end would be lost`,
      fix: `set it to ${before} or more; for a smaller disk, add one under another name and copy the data in the guest`,
    });
  }
}

/** Each disk that has a size, by the name that it has where disks are named: see `diskOfVolume`. */
function sizedDisks({ rootDisk, disks = [] }: Disks) {
  const data = disks.map(({ name, sizeGB }, index) => ({
    name: name === ROOT_DISK ? `disk-${name}` : name,
    sizeGB,
    field: `disks[${index}]`,
  }));
  const all = [{ name: ROOT_DISK, sizeGB: rootDisk?.sizeGB, field: 'rootDisk' }, ...data];
  return all.flatMap(({ sizeGB, ...disk }) => (sizeGB === undefined ? [] : [{ ...disk, sizeGB }]));
}
