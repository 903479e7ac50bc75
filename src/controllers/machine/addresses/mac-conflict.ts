/** MAC addresses are unique on a host: two guests with one address get each other's packets. */

import { type Machine, MachineKind } from '../../../api/kinds/machine.ts';
import { findProviderSpec } from '../../../api/schema/provider-spec.ts';
import { formatKey, keyOf } from '../../../apimachinery/object-key.ts';
import { TerminalError } from '../../../errors.ts';
import type { MachineIntent } from '../../../intent/hosted-intent.ts';
import { hostIdentity } from '../../../libvirt/host-uri.ts';
import type { Store } from '../../../store/store.ts';
import type { PlacedMachine } from '../scope/placed-machine.ts';

/** Throws TerminalError InvalidConfiguration when another Machine on the same host has a MAC address of this one. */
export async function refuseSharedMac(
  store: Store,
  { machine, path, site }: PlacedMachine,
  intent: MachineIntent,
): Promise<void> {
  const mine = intent.interfaces.flatMap(({ mac, assignedMac }, index) => {
    const own = mac ?? assignedMac;
    return own === undefined ? [] : [{ mac: own, index }];
  });
  if (mine.length === 0) return;
  for (const other of await store.list(MachineKind, { onUnreadable: () => {} })) {
    const uri = other.status?.providerStatus?.pinned?.uri;
    if (other.metadata.uid === machine.metadata.uid || uri === undefined) continue;
    if (hostIdentity(uri) !== hostIdentity(site.uri)) continue;
    const taken = macsOf(other);
    for (const { mac, index } of mine) {
      if (!taken.has(mac)) continue;
      throw new TerminalError({
        code: 'InvalidConfiguration',
        path: `${path}.interfaces[${index}].mac`,
        message: `${mac} is the address of Machine "${formatKey(keyOf(other))}" on the same host`,
        fix: 'use another address, or leave mac out and one is assigned',
      });
    }
  }
}

/** Returns those it asks for and those it was given. Reads the spec as it stands: whoever checks it would take long for a fleet. */
function macsOf({ spec, status }: Machine): Set<string> {
  const { interfaces } = findProviderSpec(spec.providerSpec).spec;
  const asked = Array.isArray(interfaces) ? (interfaces as { readonly mac?: unknown }[]) : [];
  return new Set([
    ...asked.flatMap((nic) => (typeof nic?.mac === 'string' ? nic.mac.toLowerCase() : [])),
    ...(status?.providerStatus?.pinned?.macs ?? []),
  ]);
}
