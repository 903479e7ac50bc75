/** Where the addresses of a guest are asked, and how often while it has none. */

import type { AddressSource } from '../libvirt/addresses.ts';
import type { MachineScope } from './machine-scope.ts';
import type { PlacedMachine } from './placed-machine.ts';

/** How soon to look again for the address of a guest that boots: often at first, rarely for one that will never have any. */
const ADDRESS_POLLS = [
  { untilMs: 60_000, everyMs: 500 },
  { untilMs: 600_000, everyMs: 5_000 },
  { untilMs: Number.POSITIVE_INFINITY, everyMs: 30_000 },
];
/** Milliseconds until the next look. */
export function addressPollMs({ status }: MachineScope): number {
  const since = status.conditions?.find(({ type }) => type === 'AddressesReady')?.lastTransitionTime;
  const waitedMs = Date.now() - Date.parse(since ?? new Date().toISOString());
  return ADDRESS_POLLS.find(({ untilMs }) => waitedMs < untilMs)?.everyMs ?? 0;
}

/** Who to ask for addresses that no DHCP server of libvirt gave out. */
export function addressSources({ spec }: PlacedMachine): AddressSource[] {
  const outside = (spec.interfaces ?? []).some(
    (nic) => nic.bridge !== undefined || nic.macvtap !== undefined,
  );
  return [...(spec.guestAgent ? (['agent'] as const) : []), ...(outside ? (['arp'] as const) : [])];
}
