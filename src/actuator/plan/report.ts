/** A plan in words, without values of attributes, and the id by which a person approves it. */

import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { intentHash } from '../../intent/machine-intent.ts';
import { shortHash } from '../../intent/names.ts';
import type { Plan } from '../../terraform/format/plan.ts';
import { effectText, type PlanEffect } from './effect.ts';
import type { PlanPreview } from './preview.ts';

export interface PlanReport {
  readonly id: string;
  /** Names of disks that it deletes with what is on them: each has to be named to approve it. */
  readonly disks: readonly string[];
  /** For example `1 to replace, 2 to change; the guest restarts, its disks stay`. */
  readonly summary: string;
  readonly actions: readonly {
    readonly address: string;
    readonly action: 'create' | 'update' | 'replace' | 'delete';
    /** Attributes that force a replacement. */
    readonly reason?: string;
  }[];
}

const WORDS = { create: 'to make', update: 'to change', replace: 'to replace', delete: 'to remove' } as const;

/**
 * The same for each plan that does the same things for the same intent to the same domain, whoever makes it and whenever. What was
 * approved once is not approved for the domain that came of it.
 */
export function planId(intent: MachineIntent, { changes }: Plan, effect?: PlanEffect): string {
  // Terraform's order differs from run to run.
  const what = changes.map(({ address, action }) => `${action} ${address}`).sort();
  const before = effect && (effect.restarts || effect.disks.length > 0) ? [effect.domain] : [];
  return shortHash(JSON.stringify([intentHash(intent), what, ...before]));
}

export function planReport(intent: MachineIntent, preview: PlanPreview): PlanReport {
  return reportOf(planId(intent, preview.plan, preview.effect), preview);
}

/** The same of a plan that has another id. */
export function reportOf(id: string, { plan, explanations, effect }: PlanPreview): PlanReport {
  const actions = plan.changes.flatMap(({ address, action }) => {
    if (action !== 'create' && action !== 'update' && action !== 'replace' && action !== 'delete') return [];
    const forcedBy = explanations.find((one) => one.address === address)?.replacePaths.join(', ');
    return [{ address, action, ...(forcedBy ? { reason: forcedBy } : {}) }];
  });
  const counts = Object.entries(WORDS).flatMap(([action, word]) => {
    const count = actions.filter((one) => one.action === action).length;
    return count > 0 ? [`${count} ${word}`] : [];
  });
  const summary = [counts.join(', ') || 'outputs only', effect && effectText(effect)];
  const disks = (effect?.disks ?? []).map(({ name }) => name);
  return { id, disks, summary: summary.filter(Boolean).join('; '), actions };
}
