/**
 * Leftovers: libvirt objects of a machine that are in no state, as a killed or failed run leaves them. They are removed
 * only when proven ours: a domain by the mark in its description, a volume by the uid in its name.
 */

import { TerminalError } from '../../errors.ts';
import { domainName, isOwnedBy, isVolumeOf, type MachineIdentity } from '../../intent/names.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { State } from '../../terraform/format/state.ts';

export interface Leftovers {
  /** A domain of the machine's name that no state knows. */
  readonly domain: { readonly name: string; readonly isOurs: boolean } | undefined;
  readonly volumes: readonly { readonly pool: string; readonly volume: string }[];
}

/** `facts` must list the volumes of all pools in which the machine may have some. */
export async function findLeftovers(
  machine: MachineIdentity,
  facts: HostFacts,
  libvirt: Libvirt,
  state: State | undefined,
): Promise<Leftovers> {
  const resources = state?.resources ?? [];
  const known = new Set(resources.map((resource) => String(resource.attributes['name'] ?? '')));
  const volumes = facts.volumes
    .filter(({ name: volume }) => isVolumeOf(machine, volume) && !known.has(volume))
    .map(({ pool, name: volume }) => ({ pool, volume }));
  const name = domainName(machine);
  if (!facts.domains.includes(name) || resources.some(({ type }) => type === 'libvirt_domain')) {
    return { domain: undefined, volumes };
  }
  const observed = await libvirt.domain(name);
  const domain = observed && { name, isOurs: isOwnedBy(machine, observed.description) };
  return { domain, volumes };
}

/** Removes what is ours, the domain first: it holds the volumes. Returns the names. */
export async function removeLeftovers({ domain, volumes }: Leftovers, libvirt: Libvirt): Promise<string[]> {
  if (domain?.isOurs) await libvirt.removeDomain(domain.name);
  for (const { pool, volume } of volumes) await libvirt.removeVolume(pool, volume);
  return [...(domain?.isOurs ? [domain.name] : []), ...volumes.map(({ volume }) => volume)];
}

export function isEmpty({ domain, volumes }: Leftovers): boolean {
  return domain === undefined && volumes.length === 0;
}

export function notOwned(name: string): TerminalError {
  return new TerminalError({
    code: 'NotOwned',
    message: `the host already has a domain "${name}" that is not this Machine's`,
    fix: `rename the Machine, or remove the domain yourself if it is not needed: virsh undefine ${name}`,
  });
}
