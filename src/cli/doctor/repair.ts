/** Decides what `caplv doctor --fix` may make on a host: a pool and a network `default` where there are none. */

import { join } from 'node:path';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { HostURI } from '../../libvirt/host-uri.ts';
import type { HostSetup } from '../../libvirt/setup/host-setup.ts';
import { freeRange } from '../../libvirt/setup/network.ts';

/** The name of the pool and the network that manifests use if they name none. */
export const DEFAULT_NAME = 'default';
/** Where libvirt of a system keeps images of guests by its own convention. */
const SYSTEM_IMAGES = '/var/lib/libvirt/images';

export interface Repair {
  /** What is wrong and what would be done, as a question. */
  readonly question: string;
  /** What was done, in one line. Throws LibvirtError. */
  apply(setup: HostSetup): Promise<string>;
}

export interface RepairRequest {
  readonly host: HostURI;
  /** With the details of all pools and networks. */
  readonly facts: Pick<HostFacts, 'pools' | 'networks'>;
  readonly pool: string;
  readonly network: string;
  /** Ranges in CIDR notation that the host has or reaches besides its libvirt networks, as far as they are known. */
  readonly ranges: readonly string[];
  /** Directory of this user's data. */
  readonly dataHome: string;
}

/** Says why something that is missing is not made. */
export interface Refusal {
  readonly reason: string;
}

/** Lists what can be mended, and what cannot. What exists is left as it is, but for what is inactive. */
export function repairsOf(request: RepairRequest): (Repair | Refusal)[] {
  return [poolRepair(request), networkRepair(request)].filter((one) => one !== undefined);
}

function poolRepair({ host, facts, pool, dataHome }: RepairRequest): Repair | Refusal | undefined {
  const found = facts.pools.find(({ name }) => name === pool);
  if (found) return found.active ? undefined : startRepair('pool', pool);
  if (pool !== DEFAULT_NAME) return onlyDefault('pool', pool);
  const path = imageDirectory(host, dataHome);
  if (path === undefined) {
    return { reason: `the pool "${pool}" is not created: the home directory there is not known` };
  }
  const owner = poolOf(path, facts);
  if (owner !== undefined) {
    return {
      reason: `the pool "${pool}" is not created: ${path} belongs to the pool "${owner}"; name that one in the manifest`,
    };
  }
  return {
    question: `the pool "${pool}" does not exist. Create it in ${path}, started now and with the host?`,
    apply: async (setup) => {
      await setup.createPool({ name: pool, path });
      return `created the pool "${pool}" in ${path}`;
    },
  };
}

function networkRepair({ host, facts, network, ranges }: RepairRequest): Repair | Refusal | undefined {
  const found = facts.networks.find(({ name }) => name === network);
  if (found) return found.active ? undefined : startRepair('network', network);
  if (network !== DEFAULT_NAME) return onlyDefault('network', network);
  if (host.path !== '/system') {
    return {
      reason: `the network "${network}" is not created: a session may not create bridges; use qemu:///system`,
    };
  }
  const taken = [...ranges, ...facts.networks.flatMap(({ details }) => details?.ranges ?? [])];
  const range = freeRange(taken);
  if (range === undefined) {
    return { reason: `the network "${network}" is not created: every range for it is in use on the host` };
  }
  return {
    question: `the network "${network}" does not exist. Create it with NAT and DHCP in ${range}, started now and with the host?`,
    apply: async (setup) => {
      const given = await setup.createNetwork({ name: network, taken });
      return `created the network "${network}" in ${given}`;
    },
  };
}

function onlyDefault(kind: 'pool' | 'network', name: string): Refusal {
  return {
    reason: `the ${kind} "${name}" is not created: only one named "${DEFAULT_NAME}" is; define it yourself`,
  };
}

function startRepair(kind: 'pool' | 'network', name: string): Repair {
  return {
    question: `the ${kind} "${name}" is not active. Start it, now and with the host?`,
    apply: async (setup) => {
      await setup.start(kind, name);
      return `started the ${kind} "${name}"`;
    },
  };
}

/** Returns where a pool `default` belongs; undefined for a session of another machine, whose home is not known. */
export function imageDirectory({ path, transport }: HostURI, dataHome: string): string | undefined {
  if (path === '/system') return SYSTEM_IMAGES;
  return path === '/session' && transport === '' ? join(dataHome, 'libvirt/images') : undefined;
}

/** Returns the name of the pool that has a directory already: libvirt refuses a second one. */
export function poolOf(path: string, { pools }: Pick<HostFacts, 'pools'>): string | undefined {
  return pools.find(({ details }) => details?.path?.replace(/\/+$/, '') === path)?.name;
}
