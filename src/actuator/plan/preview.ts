/** A plan that is only looked at: what would change, attribute by attribute, with nothing left behind. */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDir } from '../../system/private-files.ts';
import type { Explanation } from '../../terraform/format/explanation.ts';
import type { Plan } from '../../terraform/format/plan.ts';
import type { TerraformSession } from '../../terraform/session.ts';
import { paths } from '../../terraform/workspace.ts';
import type { StateSession } from '../context/state-session.ts';
import { pendingVerb } from '../state/machine-journal.ts';
import type { Recovered } from '../state/recover-machine.ts';
import { type PlanEffect, planEffect } from './effect.ts';

export interface PlanPreview {
  readonly plan: Plan;
  /** One a changed resource; empty when nothing changes. */
  readonly explanations: readonly Explanation[];
  /** Absent: the plan is of a host. */
  readonly effect?: PlanEffect;
  /** Where a state that is lost will come from, before anything is changed; absent: it is there. */
  readonly recovered?: Recovered['sources'];
}

/** `replace`: addresses of resources that are to be replaced, whatever changes of them. */
export async function previewPlan(
  { home, terraform }: StateSession,
  config: object,
  replace: readonly string[],
): Promise<PlanPreview> {
  try {
    return await planned(terraform, config, replace);
  } finally {
    // Nothing is kept of what is not there. Looking at a state in a cluster makes an empty one.
    const isEmpty = ((await terraform.state())?.resources.length ?? 0) === 0;
    const isOver = isEmpty && (await pendingVerb(home)) === undefined;
    // Kept serials are all that is left of a state that was lost.
    if (isOver && (await home.history.list()).length === 0) await home.discard();
  }
}

/** The same over a state as it will be, aside from the one that is there. `config`: of a stack without a backend. */
export async function previewRecovered(
  { home, terraform }: StateSession,
  config: object,
  { text, sources }: Recovered,
  replace: readonly string[],
): Promise<PlanPreview> {
  const aside = terraform.aside({ dir: join(home.workspace.dir, 'preview') });
  return { ...(await previewAside(aside, config, text, replace)), recovered: sources };
}

/** Plans over a copy of a state (empty: none) in a directory that is new, and goes again. `config`: of a stack without a backend. */
export async function previewAside(
  aside: TerraformSession,
  config: object,
  state: string,
  replace: readonly string[],
): Promise<PlanPreview> {
  const { workspace } = aside;
  try {
    await makePrivateDir(workspace.dir);
    if (state !== '') await writeFile(paths.state(workspace), state, { mode: 0o600 });
    return await planned(aside, config, replace);
  } finally {
    await rm(workspace.dir, { recursive: true, force: true });
  }
}

async function planned(
  terraform: TerraformSession,
  config: object,
  replace: readonly string[],
): Promise<PlanPreview> {
  const plan = await terraform.plan(config, { save: true, replace });
  if (plan.action === 'none') return { plan, explanations: [] };
  const explanations = await terraform.explain(plan);
  return { plan, explanations, effect: planEffect(plan, await terraform.state()) };
}
