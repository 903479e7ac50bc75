/** Where the addresses of a guest are asked, and how often while it has none. */

import { isStatic } from '../../../api/kinds/machine-interface.ts';
import { findCondition } from '../../../apimachinery/conditions.ts';
import type { AddressSource } from '../../../libvirt/addresses.ts';
import type { DomainInterface, DomainObservation } from '../../../libvirt/domain.ts';
import type { AllowedHost } from '../../../system/allowed-host.ts';
import type { PlacedMachine } from '../scope/placed-machine.ts';
import type { MachineScope } from '../scope/scope.ts';

/** A guest that runs and has no address yet. */
export interface Guest {
  readonly uri: AllowedHost;
  /** Name of its domain. */
  readonly domain: string;
  readonly interfaces: readonly DomainInterface[];
  /** Who else to ask than the DHCP servers of libvirt's networks. */
  readonly sources: readonly AddressSource[];
  /** What is known of it already, and is not all that it is to have. */
  readonly known?: readonly string[];
  /** Leases from before its domain was made; see `leaseVersion`. */
  readonly leasesBefore?: readonly string[] | undefined;
  /** Since when it has none; milliseconds, as Date.now(). */
  readonly sinceMs: number;
}

/** How soon to look again for the address of a guest that boots: often at first, rarely for one that will never have any. */
const ADDRESS_POLLS = [
  { untilMs: 60_000, everyMs: 500 },
  { untilMs: 600_000, everyMs: 5_000 },
  { untilMs: Number.POSITIVE_INFINITY, everyMs: 30_000 },
];

/** Milliseconds until the next look. */
export function addressPollMs({ sinceMs }: Pick<Guest, 'sinceMs'>): number {
  const waitedMs = Date.now() - sinceMs;
  return ADDRESS_POLLS.find(({ untilMs }) => waitedMs < untilMs)?.everyMs ?? 0;
}

/** Undefined: it has an address, or is not meant to have one now. */
export function guestWithoutAddress(
  { status }: MachineScope,
  placed: PlacedMachine,
  observed: DomainObservation | undefined,
): Guest | undefined {
  if (status.phase !== 'Provisioned' || !placed.spec.running || observed?.state !== 'running')
    return undefined;
  const since = findCondition({ status }, 'AddressesReady')?.lastTransitionTime;
  return {
    uri: placed.site.uri,
    domain: observed.name,
    interfaces: observed.interfaces,
    sources: addressSources(placed),
    leasesBefore: status.providerStatus?.leasesBefore,
    known: observed.addresses.map(({ address }) => address),
    sinceMs: since === undefined ? Date.now() : Date.parse(since),
  };
}

/** Who to ask for addresses that no DHCP server of libvirt gave out. */
export function addressSources({ spec }: PlacedMachine): AddressSource[] {
  const outside = (spec.interfaces ?? []).some(
    (nic) => nic.bridge !== undefined || nic.macvtap !== undefined || isStatic(nic),
  );
  // A guest that configures its network itself may ask no DHCP server.
  const isSilent = outside || spec.networkConfig !== undefined;
  return [...(spec.guestAgent ? (['agent'] as const) : []), ...(isSilent ? (['arp'] as const) : [])];
}
