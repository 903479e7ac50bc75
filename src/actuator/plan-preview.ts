/** A plan that is only looked at: what would change, attribute by attribute, with nothing left behind. */

import type { Explanation } from '../terraform/explanation.ts';
import type { Plan } from '../terraform/plan.ts';
import type { RunOptions } from '../terraform/terraform.ts';
import type { ActuatorOptions } from './actuator.ts';
import type { StackHome } from './workspaces.ts';

export interface PlanPreview {
  readonly plan: Plan;
  /** One a changed resource; empty when nothing changes. */
  readonly explanations: readonly Explanation[];
}

export async function previewPlan(
  { terraform, workspaces }: ActuatorOptions,
  home: StackHome,
  config: object,
  run: RunOptions,
): Promise<PlanPreview> {
  try {
    const plan = await terraform.plan(home.workspace, config, { ...run, save: true });
    const explanations = plan.action === 'none' ? [] : await terraform.explain(home.workspace, plan, run);
    return { plan, explanations };
  } finally {
    // Nothing is kept of what is not there.
    if ((await terraform.state(home.workspace)) === undefined) await workspaces.discard(home);
  }
}
