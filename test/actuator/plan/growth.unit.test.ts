/** Verifies how disks that grow in place are shown in a plan. */

import { expect, it } from 'vitest';
import type { DiskGrowth } from '../../../src/actuator/machine/disk-sizes.ts';
import { previewWithGrowth, withGrowth } from '../../../src/actuator/plan/growth.ts';
import type { PlanPreview } from '../../../src/actuator/plan/preview.ts';
import { planId } from '../../../src/actuator/plan/report.ts';
import type { Plan } from '../../../src/terraform/format/plan.ts';
import { minimalMachine } from '../../stacks/intents.ts';

const DATA = { address: 'libvirt_volume.disk_data', type: 'libvirt_volume', name: 'disk_data' };
const NOTHING: Plan = { action: 'none', changes: [], drift: [] };
const growth: readonly DiskGrowth[] = [
  {
    address: DATA.address,
    name: 'data',
    toBytes: 2048,
    volume: { pool: 'p', name: 'v', path: '/v', capacityBytes: 1024, allocationBytes: 0, format: 'qcow2' },
  },
];

it('a plan that changes nothing but a size is a change in place, with both sizes', () => {
  expect(withGrowth(NOTHING, growth)).toEqual({
    ...NOTHING,
    action: 'update',
    changes: [{ ...DATA, action: 'update' }],
  });
  const preview: PlanPreview = { plan: NOTHING, explanations: [] };
  expect(previewWithGrowth(preview, growth).explanations).toEqual([
    {
      ...DATA,
      action: 'update',
      replacePaths: [],
      attributes: [{ name: 'size', before: 1024, after: 2048 }],
    },
  ]);
});

it('an approval covers the growth: the plan without it has another id', () => {
  expect(planId(minimalMachine, withGrowth(NOTHING, growth))).not.toBe(planId(minimalMachine, NOTHING));
});

it('a disk that is replaced anyway does not grow before', () => {
  const plan: Plan = { ...NOTHING, action: 'replace', changes: [{ ...DATA, action: 'replace' }] };
  const preview: PlanPreview = { plan, explanations: [] };
  expect(withGrowth(plan, growth)).toBe(plan);
  expect(previewWithGrowth(preview, growth)).toBe(preview);
});

it('without growth the plan is the very same', () => {
  expect(withGrowth(NOTHING, [])).toBe(NOTHING);
});
