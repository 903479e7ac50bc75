/** A plan that is only looked at: what would change, attribute by attribute, with nothing left behind. */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDir } from '../../system/private-files.ts';
import type { Explanation } from '../../terraform/format/explanation.ts';
import type { Plan } from '../../terraform/format/plan.ts';
import type { RunOptions, Terraform } from '../../terraform/terraform.ts';
import { paths, type Workspace } from '../../terraform/workspace.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { StateHandle } from '../context/state-home.ts';
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

type Planning = RunOptions & { readonly replace?: readonly string[] };

export async function previewPlan(
  { terraform }: Pick<ActuatorOptions, 'terraform'>,
  home: StateHandle,
  config: object,
  run: Planning,
): Promise<PlanPreview> {
  try {
    return await planned(terraform, home.workspace, config, run);
  } finally {
    // Nothing is kept of what is not there. Looking at a state in a cluster makes an empty one.
    const isEmpty = ((await terraform.state(home.workspace))?.resources.length ?? 0) === 0;
    const isOver = isEmpty && (await pendingVerb(home)) === undefined;
    // Kept serials are all that is left of a state that was lost.
    if (isOver && (await home.history.list()).length === 0) await home.discard();
  }
}

/** The same over a state as it will be, aside from the one that is there. `config`: of a stack without a backend. */
export async function previewRecovered(
  options: Pick<ActuatorOptions, 'terraform'>,
  home: StateHandle,
  config: object,
  { text, sources }: Recovered,
  run: Planning,
): Promise<PlanPreview> {
  const preview = await previewAside(options, join(home.workspace.dir, 'preview'), config, text, run);
  return { ...preview, recovered: sources };
}

/** Plans over a copy of a state (empty: none) in `directory`, which is new and goes again. `config`: of a stack without a backend. */
export async function previewAside(
  { terraform }: Pick<ActuatorOptions, 'terraform'>,
  directory: string,
  config: object,
  state: string,
  run: Planning,
): Promise<PlanPreview> {
  const aside = { dir: directory };
  try {
    await makePrivateDir(aside.dir);
    if (state !== '') await writeFile(paths.state(aside), state, { mode: 0o600 });
    return await planned(terraform, aside, config, run);
  } finally {
    await rm(aside.dir, { recursive: true, force: true });
  }
}

async function planned(
  terraform: Terraform,
  workspace: Workspace,
  config: object,
  run: Planning,
): Promise<PlanPreview> {
  const plan = await terraform.plan(workspace, config, { ...run, save: true });
  if (plan.action === 'none') return { plan, explanations: [] };
  const explanations = await terraform.explain(workspace, plan, run);
  return { plan, explanations, effect: planEffect(plan, await terraform.state(workspace)) };
}
