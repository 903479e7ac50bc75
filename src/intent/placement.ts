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
  /** Logical processors. */
  readonly cpus: number;
  /** Memory of each machine of ours on it, running or not. */
  readonly machinesMiB: readonly number[];
  /** Virtual CPUs of all these machines. */
  readonly machinesVcpu: number;
  /** How many of them belong to the same Cluster as the new one, and stay. */
  readonly siblings: number;
  /** True: the machine could not be made there. Another host is better, whatever else speaks for this one. */
  readonly wasTried?: boolean;
}

/** A machine that has a host. */
export interface PlacedMachine {
  readonly uri: string;
  readonly memoryMiB: number;
  readonly vcpu: number;
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
): Pick<Candidate, 'machinesMiB' | 'machinesVcpu' | 'siblings'> {
  const identity = hostIdentity(uri);
  const here = placed.filter((one) => hostIdentity(one.uri) === identity);
  return {
    machinesMiB: here.map(({ memoryMiB }) => memoryMiB),
    machinesVcpu: here.reduce((sum, { vcpu }) => sum + vcpu, 0),
    siblings: here.filter(({ isSibling, isLeaving }) => isSibling && !isLeaving).length,
  };
}

export interface Wanted {
  readonly memoryMiB: number;
  readonly vcpu: number;
  readonly allowOvercommit: boolean;
  /** Field that asks for the memory, for errors. */
  readonly path: string;
}

/**
 * Throws InsufficientCapacity: TerminalError when no host would be large enough if it were empty, TransientError when none has room now.
 * `candidates` has at least one.
 */
export function choosePlace(candidates: readonly Candidate[], wanted: Wanted): Site {
  const fitting = candidates.filter(
    (one) =>
      !one.site.limits?.unschedulable &&
      (!isMemoryLimited(one, wanted) || roomMiB(one) >= wanted.memoryMiB) &&
      roomVcpu(one) >= wanted.vcpu,
  );
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

/** A Cluster that allows overcommitment speaks for hosts of which nothing else is said. */
function isMemoryLimited({ site }: Candidate, { allowOvercommit }: Wanted): boolean {
  const { reserved, overcommit } = site.limits ?? {};
  return !allowOvercommit || reserved?.memoryMiB !== undefined || overcommit?.memory !== undefined;
}

/** Returns the memory in MiB that machines may have of the host together. */
function capacityMiB({ memoryMiB, site }: Candidate): number {
  return (
    Math.floor(memoryMiB * (site.limits?.overcommit?.memory ?? 1)) - (site.limits?.reserved?.memoryMiB ?? 0)
  );
}

/** Returns the lesser of two figures: free memory counts other programs, promised memory counts guests that have not touched theirs yet. */
function roomMiB(host: Candidate): number {
  const promised = host.machinesMiB.reduce((sum, one) => sum + one, 0);
  const left = capacityMiB(host) - promised;
  // Who promises more than there is counts on guests that do not use theirs.
  return (host.site.limits?.overcommit?.memory ?? 1) > 1 ? left : Math.min(host.freeMemoryMiB, left);
}

/** Returns the virtual CPUs that machines may have of the host together. */
function capacityVcpu({ cpus, site }: Candidate): number {
  const ratio = site.limits?.overcommit?.vcpu;
  const reserved = site.limits?.reserved?.vcpu;
  if (ratio === undefined && reserved === undefined) return Number.POSITIVE_INFINITY;
  return Math.floor(cpus * (ratio ?? 1)) - (reserved ?? 0);
}

function roomVcpu(host: Candidate): number {
  return capacityVcpu(host) - host.machinesVcpu;
}

function noRoom(candidates: readonly Candidate[], wanted: Wanted): TerminalError | TransientError {
  const { memoryMiB, vcpu, path } = wanted;
  const countsVcpu = candidates.some((one) => Number.isFinite(capacityVcpu(one)));
  const rooms = candidates.map((one) => {
    const label = siteLabel(one.site);
    if (one.site.limits?.unschedulable) return `${label} is unschedulable`;
    const cpus = Number.isFinite(capacityVcpu(one)) ? ` and ${Math.max(0, roomVcpu(one))} vCPUs` : '';
    return `${label} has ${Math.max(0, roomMiB(one))} MiB${cpus}`;
  });
  const details = {
    code: 'InsufficientCapacity' as const,
    path,
    message: `no host has ${memoryMiB} MiB of memory${countsVcpu ? ` and ${vcpu} vCPUs` : ''} left: ${rooms.join(', ')}`,
    fix: candidates.some(({ site }) => site.limits?.unschedulable)
      ? 'set unschedulable: false at a host of the Cluster, delete machines, ask for less, or add a host'
      : 'delete machines, ask for less, add a host to the Cluster, or set allowOvercommit there',
  };
  const isHopeless = candidates.every((one) => isTooSmall(one, wanted));
  return isHopeless ? new TerminalError(details) : new TransientError({ ...details, retryAfterMs: 15_000 });
}

/** Returns true if the machine would not fit even on the empty host. */
function isTooSmall(host: Candidate, wanted: Wanted): boolean {
  const isShortOfMemory = isMemoryLimited(host, wanted) && capacityMiB(host) < wanted.memoryMiB;
  return isShortOfMemory || capacityVcpu(host) < wanted.vcpu;
}
