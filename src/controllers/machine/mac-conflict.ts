/** Fixed MAC addresses are unique on a host: two guests with one address get each other's packets. */

import { type Machine, MachineKind, storedMachineSpec } from '../../api/kinds/machine.ts';
import { Terminal } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import type { PlacedMachine } from './placed-machine.ts';

/** Throws Terminal InvalidConfiguration when another Machine on the same host has a MAC address of this one. */
export async function refuseSharedMac(
  store: Store,
  { machine, spec, path, site }: PlacedMachine,
): Promise<void> {
  const fixed = (spec.interfaces ?? []).flatMap(({ mac }, index) =>
    mac ? [{ mac: mac.toLowerCase(), index }] : [],
  );
  if (fixed.length === 0) return;
  for (const other of await store.list(MachineKind)) {
    if (other.metadata.uid === machine.metadata.uid || other.status?.providerStatus?.pinned?.uri !== site.uri)
      continue;
    const taken = macsOf(other);
    for (const { mac, index } of fixed) {
      if (!taken.has(mac)) continue;
      throw new Terminal({
        code: 'InvalidConfiguration',
        path: `${path}.interfaces[${index}].mac`,
        message: `${mac} is the address of Machine "${other.metadata.name}" on the same host`,
        fix: 'use another address, or leave mac out and libvirt chooses one',
      });
    }
  }
}

function macsOf(machine: Machine): Set<string> {
  return new Set(
    (storedMachineSpec(machine).interfaces ?? []).flatMap(({ mac }) => mac?.toLowerCase() ?? []),
  );
}
