/**
 * Sizes of the sets of a MachineDeployment whose `replicas` changed. In the middle of a rollout each set grows or shrinks by
 * its share, so that a version that proves bad does not get all of the new machines. Kubernetes' algorithm.
 */

import { footprint, type SetCount, type SetCounts, type SetSizes, sum } from './rolling-update.ts';

/** A set with the sizes that its deployment had when it was scaled last; undefined: not recorded. */
export interface ScaledSet extends SetCount {
  readonly desiredThen: number | undefined;
  /** replicas + maxSurge. */
  readonly mostThen: number | undefined;
}

export interface ScaledSets extends SetCounts {
  readonly current: ScaledSet | undefined;
  /** Oldest first. */
  readonly old: readonly ScaledSet[];
}

/** True if `replicas` of the deployment changed since its sets got their sizes. */
export function isScaled({ current, old }: ScaledSets, replicas: number): boolean {
  return [...old, ...(current ? [current] : [])].some(
    (set) => set.replicas > 0 && set.desiredThen !== undefined && set.desiredThen !== replicas,
  );
}

export function scale(sets: ScaledSets, replicas: number, maxSurge: number): SetSizes {
  const { current, old } = sets;
  const all = current ? [...old, current] : [...old];
  const active = all.filter((set) => set.replicas > 0);
  const most = replicas > 0 ? replicas + maxSurge : 0;
  const room = most - sum(all, footprint);
  if (active.length <= 1) {
    const only = active[0] ?? all.at(-1);
    if (!only) return new Map();
    const others = sum(all, footprint) - footprint(only);
    return new Map([[only.name, Math.min(replicas, Math.max(only.replicas, most - others))]]);
  }
  if (current?.replicas === replicas && current.desiredThen === replicas && current.available === replicas) {
    return new Map(old.map((set) => [set.name, 0]));
  }
  const toAdd = most - sum(active, (set) => set.replicas);
  return byShare(active, toAdd > 0 ? Math.max(0, Math.min(toAdd, room)) : toAdd, most);
}

/** The largest sets first; what rounding leaves over goes to the first. `sets`: oldest first. */
function byShare(sets: readonly ScaledSet[], toAdd: number, most: number): SetSizes {
  // Among equals the newest grows first, and the oldest shrinks first.
  const ordered = (toAdd > 0 ? sets.toReversed() : [...sets]).sort((a, b) => b.replicas - a.replicas);
  const sizes = new Map<string, number>();
  let left = toAdd;
  for (const set of ordered) {
    const share = Math.round((set.replicas * most) / (set.mostThen ?? most)) - set.replicas;
    const change = toAdd > 0 ? Math.max(0, Math.min(share, left)) : Math.min(0, Math.max(share, left));
    left -= change;
    sizes.set(set.name, set.replicas + change);
  }
  const [first] = ordered;
  if (first) sizes.set(first.name, Math.max(0, (sizes.get(first.name) ?? 0) + left));
  return sizes;
}
