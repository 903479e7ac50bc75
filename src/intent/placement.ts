/** Chooses the host of a new machine: spreads over failure domains, then over hosts, then takes the one with most free memory. */

import { TerminalError, TransientError } from '../errors.ts';
import { hostIdentity } from '../libvirt/host-uri.ts';
import { type Site, siteLabel } from './site.ts';

/** Describes a host with the machines that are, or will be, on it. */
export interface Candidate {
  readonly site: Site;
  readonly memoryMiB: number;
  /** What the host itself says is free. */
  readonly freeMemoryMiB: number;
  /** Memory of each machine of ours on it, running or not. */
  readonly machinesMiB: readonly number[];
  /** How many of them belong to the same Cluster as the new one, and stay. */
  readonly siblings: number;
  /** True: the machine could not be made there. Another host is better, whatever else speaks for this one. */
  readonly wasTried?: boolean;
}

/** A machine that has a host. */
export interface PlacedMachine {
  readonly uri: string;
  readonly memoryMiB: number;
  /** Of the same Cluster as the new one. */
  readonly isSibling: boolean;
  /** It is being deleted. */
  readonly isLeaving: boolean;
}

/**
 * Summarises the machines on a host for the placement of a new one. A machine that is being deleted uses memory until it is gone, but
 * does not keep its successor off the host.
 */
export function occupancy(
  uri: string,
  placed: readonly PlacedMachine[],
): Pick<Candidate, 'machinesMiB' | 'siblings'> {
  const identity = hostIdentity(uri);
  const here = placed.filter((one) => hostIdentity(one.uri) === identity);
  return {
    machinesMiB: here.map(({ memoryMiB }) => memoryMiB),
    siblings: here.filter(({ isSibling, isLeaving }) => isSibling && !isLeaving).length,
  };
}

export interface Wanted {
  readonly memoryMiB: number;
  readonly allowOvercommit: boolean;
  /** Field that asks for the memory, for errors. */
  readonly path: string;
}

/**
 * Throws InsufficientCapacity: TerminalError when no host would be large enough if it were empty, TransientError when none has room now.
 * `candidates` has at least one.
 */
export function choosePlace(candidates: readonly Candidate[], wanted: Wanted): Site {
  const { allowOvercommit, memoryMiB } = wanted;
  const fitting = candidates.filter((one) => allowOvercommit || roomMiB(one) >= memoryMiB);
  const domains = new Map<string | undefined, number>();
  for (const { site, siblings } of candidates) {
    const { failureDomain } = site;
    domains.set(failureDomain, (domains.get(failureDomain) ?? 0) + siblings);
  }
  const inDomain = ({ site, siblings }: Candidate) =>
    site.failureDomain === undefined ? siblings : (domains.get(site.failureDomain) ?? 0);
  const [best] = [...fitting].sort(
    (a, b) =>
      Number(a.wasTried ?? false) - Number(b.wasTried ?? false) ||
      inDomain(a) - inDomain(b) ||
      a.siblings - b.siblings ||
      roomMiB(b) - roomMiB(a) ||
      // Independent of the order of hosts.
      (siteLabel(a.site) < siteLabel(b.site) ? -1 : 1),
  );
  if (best) return best.site;
  throw noRoom(candidates, wanted);
}

/** Returns the lesser of two figures: free memory counts other programs, promised memory counts guests that have not touched theirs yet. */
function roomMiB({ memoryMiB, freeMemoryMiB, machinesMiB }: Candidate): number {
  const promised = machinesMiB.reduce((sum, one) => sum + one, 0);
  return Math.min(freeMemoryMiB, memoryMiB - promised);
}

function noRoom(
  candidates: readonly Candidate[],
  { memoryMiB, path }: Wanted,
): TerminalError | TransientError {
  const rooms = candidates.map((one) => `${siteLabel(one.site)} has ${Math.max(0, roomMiB(one))} MiB`);
  const details = {
    code: 'InsufficientCapacity' as const,
    path,
    message: `no host has ${memoryMiB} MiB of memory left: ${rooms.join(', ')}`,
    fix: 'delete machines, ask for less, add a host to the Cluster, or set allowOvercommit there',
  };
  const isHopeless = candidates.every((one) => one.memoryMiB < memoryMiB);
  return isHopeless ? new TerminalError(details) : new TransientError({ ...details, retryAfterMs: 15_000 });
}
