/** Shows disks that grow in place as changes of a plan, in which Terraform itself does not have them. Pure. */

import type { Plan } from '../../terraform/format/plan.ts';
import { takesAway } from '../../terraform/format/plan.ts';
import type { DiskGrowth } from '../machine/disk-sizes.ts';
import type { PlanPreview } from './preview.ts';

/** The plan with the growth of all disks that stay. */
export function withGrowth(plan: Plan, growth: readonly DiskGrowth[]): Plan {
  const staying = growth.filter(({ address }) => !isTaken(plan, address));
  if (staying.length === 0) return plan;
  const changes = staying.map(({ address }) => ({ ...resourceOf(address), action: 'update' as const }));
  return {
    ...plan,
    action: plan.action === 'none' ? 'update' : plan.action,
    changes: [...plan.changes, ...changes],
  };
}

/** The same of a preview, with the sizes in bytes. */
export function previewWithGrowth(preview: PlanPreview, growth: readonly DiskGrowth[]): PlanPreview {
  const plan = withGrowth(preview.plan, growth);
  if (plan === preview.plan) return preview;
  const explanations = growth
    .filter(({ address }) => !isTaken(preview.plan, address))
    .map(({ address, volume, toBytes }) => ({
      ...resourceOf(address),
      action: 'update' as const,
      replacePaths: [],
      attributes: [{ name: 'size', before: volume.capacityBytes, after: toBytes }],
    }));
  return { ...preview, plan, explanations: [...preview.explanations, ...explanations] };
}

/** True for a volume that the plan replaces or deletes: what is made in its place is grown then. */
export function isTaken({ changes }: Plan, address: string): boolean {
  return changes.some((one) => one.address === address && takesAway(one.action));
}

function resourceOf(address: string) {
  const [type = '', name = ''] = address.split('.');
  return { address, type, name };
}
