/**
 * Leftovers: libvirt objects of a machine that are in no state, as a killed or failed run leaves them. They are removed
 * only when proven ours: a domain by the mark in its description, a volume by the uid in its name.
 */

import { Terminal } from '../errors.ts';
import { domainName, isOwnedBy, isVolumeOf, type MachineIdentity } from '../intent/names.ts';
import type { HostFacts } from '../libvirt/facts.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import type { State } from '../terraform/state.ts';

export interface Leftovers {
  readonly domain: string | undefined;
  readonly volumes: readonly { readonly pool: string; readonly volume: string }[];
}

/** Throws Terminal NotOwned when a domain of the machine's name belongs to somebody else. */
export async function findLeftovers(
  machine: MachineIdentity,
  facts: HostFacts,
  libvirt: Libvirt,
  state: State | undefined,
): Promise<Leftovers> {
  const resources = state?.resources ?? [];
  const known = new Set(resources.map((resource) => String(resource.attributes['name'] ?? '')));
  const name = domainName(machine);
  let domain: string | undefined;
  if (facts.domains.includes(name) && !resources.some((resource) => resource.type === 'libvirt_domain')) {
    const observed = await libvirt.domain(name);
    if (observed && !isOwnedBy(machine, observed.description)) throw notOwned(name);
    if (observed) domain = name;
  }
  const volumes = facts.volumes
    .filter(({ name: volume }) => isVolumeOf(machine, volume) && !known.has(volume))
    .map(({ pool, name: volume }) => ({ pool, volume }));
  return { domain, volumes };
}

/** Removes them, the domain first: it holds the volumes. */
export async function removeLeftovers(leftovers: Leftovers, libvirt: Libvirt): Promise<void> {
  if (leftovers.domain) await libvirt.removeDomain(leftovers.domain);
  for (const { pool, volume } of leftovers.volumes) await libvirt.removeVolume(pool, volume);
}

export function isEmpty(leftovers: Leftovers): boolean {
  return leftovers.domain === undefined && leftovers.volumes.length === 0;
}

function notOwned(name: string): Terminal {
  return new Terminal({
    code: 'NotOwned',
    message: `the host already has a domain "${name}" that is not this Machine's`,
    fix: `rename the Machine, or remove the domain yourself if nobody needs it: virsh undefine ${name}`,
  });
}
