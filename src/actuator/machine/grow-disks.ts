/** Grows disks of a machine in place. */

import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { isOn } from '../../libvirt/domain.ts';
import type { ActuatorOptions, VerbOptions } from '../context/options.ts';
import type { DiskGrowth } from './disk-sizes.ts';
import { ownDomain } from './guest.ts';

/** Under the guest, if it runs. Interrupted, it is completed by the next call: what has its size by then is not touched. */
export async function growDisks(
  options: ActuatorOptions,
  intent: MachineIntent,
  growth: readonly DiskGrowth[],
  { onEvent }: VerbOptions,
): Promise<void> {
  if (growth.length === 0) return;
  const domain = await ownDomain(options, intent);
  for (const { name, volume, toBytes } of growth) {
    const open = domain && isOn(domain) ? { domain: domain.uuid, path: volume.path } : undefined;
    await options.libvirt(intent.uri).growVolume(volume, toBytes, open);
    onEvent?.({ type: 'disk_grown', disk: name, bytes: toBytes });
  }
}
