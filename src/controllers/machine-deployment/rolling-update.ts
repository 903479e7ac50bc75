/**
 * How many machines each MachineSet of a MachineDeployment is to have. Pure: numbers in, numbers out; the algorithms are
 * those of Kubernetes' Deployments, with one difference: a machine that is being deleted counts until it is gone, since it
 * holds memory and disks of its host. So there are never more than replicas + maxSurge domains.
 */

import type { RolloutLimits } from './limits.ts';

/** What counts of a set. */
export interface SetCount {
  readonly name: string;
  /** Machines that it was told to have. */
  readonly replicas: number;
  /** Machines that it has, also those that are being deleted. */
  readonly machines: number;
  /** Those of its machines that are being deleted. */
  readonly leaving: number;
  readonly available: number;
  /** Size by which it may still be making machines, since it has not taken note of a smaller one yet; 0: none. */
  readonly pendingReplicas: number;
}

export interface SetCounts {
  /** Set of the current template; undefined while there is none. */
  readonly current: SetCount | undefined;
  /** All others, oldest first. */
  readonly old: readonly SetCount[];
}

/** New size by name; sets that stay as they are may be left out. */
export type SetSizes = ReadonlyMap<string, number>;

/**
 * One step of a rolling update: grows the current set as far as maxSurge allows, and shrinks old ones as far as
 * maxUnavailable allows, what is not available first.
 */
export function rollingUpdate(counts: SetCounts, replicas: number, limits: RolloutLimits): SetSizes {
  const { current, old } = counts;
  if (!current) return new Map();
  const sizes = new Map([[current.name, grown(current, counts, replicas, replicas + limits.maxSurge)]]);
  const minAvailable = replicas - limits.maxUnavailable;
  // What is told, not what is there: machines of an earlier step may not have gone yet.
  const told = sum([current, ...old], (set) => set.replicas);
  const currentMissing = current.replicas - steadilyAvailable(current);
  let budget = told - minAvailable - currentMissing;
  const shrink = (set: SetCount, most: number) => {
    const size = sizes.get(set.name) ?? set.replicas;
    const cut = Math.max(0, Math.min(size, most, budget));
    budget -= cut;
    sizes.set(set.name, size - cut);
    return cut;
  };
  for (const set of old) shrink(set, set.replicas - steadilyAvailable(set));
  let spare = sum([current, ...old], steadilyAvailable) - minAvailable;
  for (const set of old) spare -= shrink(set, spare);
  return sizes;
}

/**
 * Strategy OnDelete: an old set follows the machines that it still has and gets none back; the current set fills what they
 * leave. With too many machines for `replicas`, old ones go first.
 */
export function onDelete(counts: SetCounts, replicas: number): SetSizes {
  const { current, old } = counts;
  const sizes = new Map(old.map((set) => [set.name, Math.min(set.replicas, set.machines - set.leaving)]));
  if (current) sizes.set(current.name, current.replicas);
  let excess = sum([...sizes.values()], (size) => size) - replicas;
  for (const [name, size] of sizes) {
    const cut = Math.max(0, Math.min(size, excess));
    excess -= cut;
    sizes.set(name, size - cut);
  }
  if (current && excess < 0) sizes.set(current.name, grown(current, counts, replicas, replicas));
  return sizes;
}

/** Size of the current set if there may be `most` machines in all. Shrinks to `replicas` at once. */
export function grown(current: SetCount, counts: SetCounts, replicas: number, most: number): number {
  if (current.replicas >= replicas) return replicas;
  const room = most - sum([current, ...counts.old], footprint);
  return current.replicas + Math.max(0, Math.min(room, replicas - current.replicas));
}

/** Machines that a set has or may make at any moment. */
export function footprint(set: SetCount): number {
  return Math.max(set.replicas, set.machines, set.pendingReplicas);
}

/** Machines that stay available also when the set has shrunk to what it was told. */
function steadilyAvailable(set: SetCount): number {
  return Math.min(set.available, set.replicas);
}

export function sum<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((total, item) => total + count(item), 0);
}
