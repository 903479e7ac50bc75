/** Looks at the domain of a Machine, at the least cost. */

import { domainName, isOwnedBy } from '../../intent/names.ts';
import type { DomainAddress } from '../../libvirt/addresses.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import { type Lease, leaseVersion } from '../../libvirt/leases.ts';
import { missingAddresses } from './addresses/report.ts';
import type { MachineDependencies } from './dependencies.ts';
import { locationOf, type PlacedMachine } from './scope/placed-machine.ts';
import { addressSources } from './waits/guest-addresses.ts';

/** As the watch of the host knows it; undefined: libvirt has to be asked. Throws while the host is out of reach. */
export function cachedDomain(
  parts: MachineDependencies,
  placed: PlacedMachine,
): DomainObservation | undefined {
  const { identity, site } = placed;
  const seen = parts.lastSeen?.(site.uri, domainName(identity));
  if (!seen || !isOwnedBy(identity, seen.description)) return undefined;
  // No event tells of a lease.
  if (leasesBefore(placed) !== undefined) return undefined;
  return seen.state === 'running' && missingAddresses(placed, seen) !== undefined ? undefined : seen;
}

/** As libvirt says now; undefined: there is none. */
export async function observeDomain(
  { actuator, looking }: MachineDependencies,
  placed: PlacedMachine,
  before = leasesBefore(placed),
): Promise<DomainObservation | undefined> {
  const sources = addressSources(placed);
  // What a guest itself says of its addresses no sweep of its host sees.
  const location = locationOf(placed);
  const isWhole = sources.length === 0 && location.reservations.length === 0;
  const tell = isWhole ? looking?.(placed.site.uri, domainName(placed.identity)) : undefined;
  const found = await actuator.exists(location, sources);
  if (found) tell?.(found);
  if (!found?.addresses.length || !before?.length) return found;
  const now = await actuator.leases(location, found.interfaces);
  return { ...found, addresses: withoutOldLeases(found.addresses, now, before) };
}

/** A domain that is made again with its MAC has its old lease at once, long before its guest asks for it. */
export function withoutOldLeases(
  addresses: readonly DomainAddress[],
  leases: readonly Lease[],
  before: readonly string[],
): DomainAddress[] {
  const old = leases.filter((lease) => before.includes(leaseVersion(lease)));
  return addresses.filter(
    ({ source, mac, address }) =>
      source !== 'lease' || !old.some((lease) => lease.mac === mac && lease.address === address),
  );
}

function leasesBefore({ machine }: PlacedMachine): readonly string[] | undefined {
  return machine.status?.providerStatus?.leasesBefore;
}

/** A look that begins when the domain is made, while Terraform still writes its state and ends. */
export class PrefetchedObservation {
  readonly #look: () => Promise<DomainObservation | undefined>;
  #begun: Promise<DomainObservation | undefined> | undefined;

  constructor(look: () => Promise<DomainObservation | undefined>) {
    this.#look = look;
  }

  begin(): void {
    this.#begun ??= this.#look().catch(() => undefined);
  }

  /** Looks now where there was none, or it found nothing. */
  async result(): Promise<DomainObservation | undefined> {
    return (await this.#begun) ?? this.#look();
  }
}
