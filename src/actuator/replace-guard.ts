/**
 * Which plans may run without a person's word. A plan that replaces or deletes a machine's domain or a disk of it
 * loses data or running work; everything else may go ahead.
 */

import { Terminal } from '../errors.ts';
import type { Explanation } from '../terraform/explanation.ts';
import type { Plan, ResourceChange } from '../terraform/plan.ts';
import type { PlanPreview } from './plan-preview.ts';

const PROTECTED = new Set(['libvirt_domain', 'libvirt_volume', 'libvirt_network', 'libvirt_pool']);

/** A plan that may not run without a person's word. */
export class ReplaceRefused extends Terminal {
  readonly preview: PlanPreview;

  constructor(preview: PlanPreview, message: string) {
    super({
      code: 'ReplaceRefused',
      message,
      fix:
        'allow it with --allow-replace, or in a cluster by the annotation cluster-api.k8s.io/approve-plan=ID with the id in ' +
        'status.providerStatus.lastPlan (what is replaced starts anew); or take the change back',
    });
    this.preview = preview;
  }
}

/** The changes of a plan that replace or delete something worth keeping. */
export function destructiveChanges(plan: Plan): ResourceChange[] {
  return plan.changes.filter(
    (change) => PROTECTED.has(change.type) && (change.action === 'replace' || change.action === 'delete'),
  );
}

/**
 * Throws ReplaceRefused, naming the changes and the attributes that force them, unless the plan is harmless.
 * `explain` costs a run and is asked only when there is something to refuse.
 */
export async function refuseReplacement(
  plan: Plan,
  explain: () => Promise<readonly Explanation[]>,
): Promise<void> {
  const destructive = destructiveChanges(plan);
  if (destructive.length === 0) return;
  const explanations = await explain();
  const changes = destructive.map(({ action, address }) => {
    const paths = explanations.find((explanation) => explanation.address === address)?.replacePaths ?? [];
    return `${action} ${address}${paths.length > 0 ? ` (forced by ${paths.join(', ')})` : ''}`;
  });
  throw new ReplaceRefused({ plan, explanations }, `the change would ${changes.join(' and ')}`);
}
