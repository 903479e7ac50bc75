/** Verifies how many machines each step of a rolling update creates and deletes. */

import { describe, expect, it } from 'vitest';
import { rolloutLimits, strategyLimits } from '../../../src/controllers/machine-deployment/limits.ts';
import {
  isScaled,
  type ScaledSet,
  scale,
} from '../../../src/controllers/machine-deployment/proportional-scaling.ts';
import {
  onDelete,
  rollingUpdate,
  type SetCount,
} from '../../../src/controllers/machine-deployment/rolling-update.ts';

/** All machines of the set exist and are available by default. */
function set(name: string, replicas: number, other: Partial<SetCount> = {}): SetCount {
  return {
    name,
    replicas,
    machines: replicas,
    leaving: 0,
    available: replicas,
    pendingReplicas: 0,
    ...other,
  };
}

function scaled(name: string, replicas: number, then: number, surge: number): ScaledSet {
  return { ...set(name, replicas), desiredThen: then, mostThen: then + surge };
}

const sizes = (map: ReadonlyMap<string, number>) => Object.fromEntries(map);

describe('rolling update', () => {
  const step = (current: SetCount, old: SetCount[], maxSurge: number, maxUnavailable: number, replicas = 4) =>
    sizes(rollingUpdate({ current, old }, replicas, { maxSurge, maxUnavailable }));

  it('makes room first when there may be no more machines', () => {
    expect(step(set('new', 0), [set('old', 4)], 0, 1)).toEqual({ new: 0, old: 3 });
  });

  it('waits for machines that are on their way out before it makes others', () => {
    const leaving = { machines: 4, leaving: 1 };
    expect(step(set('new', 0), [set('old', 3, leaving)], 0, 1)).toEqual({ new: 0, old: 3 });
    expect(step(set('new', 0), [set('old', 3)], 0, 1)).toEqual({ new: 1, old: 3 });
  });

  it('keeps room for what a set may still make by the size before', () => {
    expect(step(set('new', 1), [set('old', 3, { pendingReplicas: 4 })], 1, 0)).toMatchObject({ new: 1 });
    expect(step(set('new', 1), [set('old', 3)], 1, 0)).toMatchObject({ new: 2 });
  });

  it('deletes no old machine for a new one that is not available', () => {
    expect(step(set('new', 1, { available: 0 }), [set('old', 4)], 1, 0)).toEqual({ new: 1, old: 4 });
    expect(step(set('new', 1), [set('old', 4)], 1, 0)).toEqual({ new: 1, old: 3 });
  });

  it('takes broken old machines first, whatever set they are in', () => {
    const old = [set('older', 2), set('old', 2, { available: 1 })];
    expect(step(set('new', 1), old, 1, 0)).toEqual({ new: 1, older: 2, old: 1 });
  });

  it('does not count on machines of a set that has to shrink still', () => {
    // The set has 2 replicas, and has not deleted the third machine yet.
    const old = [set('old', 2, { machines: 3, available: 3 })];
    expect(step(set('new', 2), old, 1, 0)).toEqual({ new: 2, old: 2 });
  });

  it('does not count on machines of the current set that are about to go', () => {
    const current = set('new', 2, { machines: 3, available: 3 });
    expect(step(current, [set('old', 3)], 1, 0)).toEqual({ new: 2, old: 2 });
  });

  it('does both at once with room up and down', () => {
    expect(step(set('new', 0), [set('old', 4)], 2, 2)).toEqual({ new: 2, old: 2 });
  });

  it('shrinks the current set when replicas went down', () => {
    expect(step(set('new', 4), [], 1, 0, 1)).toEqual({ new: 1 });
  });

  it('ends with nothing but the current set', () => {
    expect(step(set('new', 4), [set('old', 1), set('empty', 0)], 1, 0)).toEqual({ new: 4, old: 0, empty: 0 });
  });
});

describe('OnDelete', () => {
  it('fills what deleted machines leave', () => {
    const old = [set('old', 3, { machines: 3, leaving: 1 })];
    expect(sizes(onDelete({ current: set('new', 0), old }, 3))).toEqual({ old: 2, new: 0 });
    expect(sizes(onDelete({ current: set('new', 0), old: [set('old', 2)] }, 3))).toEqual({ old: 2, new: 1 });
  });

  it('grows with the current template', () => {
    expect(sizes(onDelete({ current: set('new', 0), old: [set('old', 3)] }, 5))).toEqual({ old: 3, new: 2 });
  });

  it('shrinks old sets before the current one', () => {
    const counts = { current: set('new', 2), old: [set('older', 1), set('old', 2)] };
    expect(sizes(onDelete(counts, 3))).toEqual({ older: 0, old: 1, new: 2 });
    expect(sizes(onDelete(counts, 1))).toEqual({ older: 0, old: 0, new: 1 });
  });
});

describe('proportional scaling', () => {
  it('is due when replicas has changed', () => {
    const current = scaled('new', 2, 6, 2);
    expect(isScaled({ current, old: [] }, 6)).toBe(false);
    expect(isScaled({ current, old: [] }, 7)).toBe(true);
    expect(isScaled({ current: { ...current, replicas: 0 }, old: [] }, 7)).toBe(false);
  });

  it('grows each set by its share, what is left over goes to the largest', () => {
    const sets = { current: scaled('new', 2, 6, 2), old: [scaled('old', 6, 6, 2)] };
    expect(sizes(scale(sets, 12, 2))).toEqual({ old: 11, new: 3 });
  });

  it('shrinks each set by its share', () => {
    const sets = { current: scaled('new', 4, 10, 2), old: [scaled('old', 8, 10, 2)] };
    expect(sizes(scale(sets, 4, 2))).toEqual({ old: 4, new: 2 });
    expect(sizes(scale(sets, 0, 2))).toEqual({ old: 0, new: 0 });
  });

  it('changes nothing twice when it was stopped in the middle', () => {
    const done = { ...scaled('old', 11, 12, 2), machines: 6, available: 6 };
    const sets = { current: scaled('new', 2, 6, 2), old: [done] };
    expect(sizes(scale(sets, 12, 2))).toEqual({ old: 11, new: 3 });
  });

  it('gives the only set all', () => {
    expect(sizes(scale({ current: scaled('new', 0, 3, 1), old: [scaled('old', 3, 3, 1)] }, 5, 1))).toEqual({
      old: 5,
    });
    expect(sizes(scale({ current: scaled('new', 0, 0, 1), old: [] }, 5, 1))).toEqual({ new: 5 });
  });
});

describe('limits', () => {
  const limits = (replicas: number, maxSurge: number | string, maxUnavailable: number | string) =>
    strategyLimits({
      replicas,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
    });

  it('are one more and none missing by default', () => {
    expect(strategyLimits({ replicas: 3, strategy: undefined })).toEqual({ maxSurge: 1, maxUnavailable: 0 });
  });

  it('round up for surge and down for what may be missing', () => {
    expect(limits(10, '25%', '25%')).toEqual({ maxSurge: 3, maxUnavailable: 2 });
    expect(limits(3, 2, 1)).toEqual({ maxSurge: 2, maxUnavailable: 1 });
  });

  it.each([
    ['an address', { interfaces: [{ addresses: ['192.168.122.10'] }] }],
    ['a MAC', { value: { interfaces: [{}, { mac: '52:54:00:00:00:01' }] } }],
    ['an existing volume', { disks: [{ name: 'd', volume: 'default/d.qcow2' }] }],
  ])('leave no room for a second machine where the template fixes %s', (_, providerSpec) => {
    const of = (given: object) =>
      rolloutLimits({
        replicas: 1,
        strategy: undefined,
        template: { spec: { providerSpec: given } } as never,
      });
    expect(of(providerSpec)).toEqual({ maxSurge: 0, maxUnavailable: 1 });
    expect(of({ disks: [{ name: 'd', sizeGB: 1 }], interfaces: [{ network: 'lan' }] })).toEqual({
      maxSurge: 1,
      maxUnavailable: 0,
    });
  });

  it('never come to a rollout that cannot move', () => {
    expect(limits(3, '0%', '25%')).toEqual({ maxSurge: 0, maxUnavailable: 1 });
  });
});
