/** A plan that is only looked at: what would change, attribute by attribute, with nothing left behind. */

import type { Explanation } from '../terraform/explanation.ts';
import type { Plan } from '../terraform/plan.ts';
import type { RunOptions } from '../terraform/terraform.ts';
import { unfinishedVerb } from './unfinished.ts';
import type { ActuatorOptions } from './verbs.ts';
import type { StackHome } from './workspaces.ts';

export interface PlanPreview {
  readonly plan: Plan;
  /** One a changed resource; empty when nothing changes. */
  readonly explanations: readonly Explanation[];
}

export async function previewPlan(
  { terraform }: Pick<ActuatorOptions, 'terraform'>,
  home: StackHome,
  config: object,
  run: RunOptions & { readonly replace?: readonly string[] },
): Promise<PlanPreview> {
  try {
    const plan = await terraform.plan(home.workspace, config, { ...run, save: true });
    const explanations = plan.action === 'none' ? [] : await terraform.explain(home.workspace, plan, run);
    return { plan, explanations };
  } finally {
    // Nothing is kept of what is not there. Looking at a state in a cluster makes an empty one.
    const isEmpty = ((await terraform.state(home.workspace))?.resources.length ?? 0) === 0;
    if (isEmpty && (await unfinishedVerb(home)) === undefined) await home.discard();
  }
}
