/** Plans that wait for a person: asked for by an annotation, or refused because they would replace what holds data. */

import type { PlanReport } from '../../actuator/plan/report.ts';
import { planReport } from '../../actuator/plan/report.ts';
import type { Machine } from '../../api/kinds/machine.ts';
import { GROUP } from '../../api/schema/group.ts';
import { approvedPlan, recordedPlan } from '../shared/approval.ts';
import type { Stop } from '../shared/phases.ts';
import type { Recorder } from '../shared/recorder.ts';
import type { MachineReconcile } from './reconcile.ts';
import type { MachineScope } from './scope/scope.ts';
import { finishReconcile } from './settle.ts';

/** While it is there nothing is applied that was not approved. */
export const PLAN_ONLY_ANNOTATION = `${GROUP}/plan-only`;
export function isPlanOnly({ metadata }: Machine): boolean {
  return metadata.annotations?.[PLAN_ONLY_ANNOTATION] !== undefined;
}

/** Puts the plan into the status, and tells of it once. */
export function recordPlan(scope: MachineScope, recorder: Recorder, report: PlanReport): void {
  const lastPlan = recordedPlan(scope.machine, scope.providerStatus.lastPlan, recorder, report);
  scope.setProviderStatus({ lastPlan });
}

/** Ends the reconcile while a person has to approve the plan of the change. Makes that plan, and nothing else. */
export async function awaitApproval(reconcile: MachineReconcile): Promise<Stop | undefined> {
  const { parts, scope, resolved, change } = reconcile;
  if (!isPlanOnly(scope.machine)) return undefined;
  const options = { replaceDomain: change.drift?.replacesDomain ?? false };
  const preview = await parts.actuator.plan(resolved.intent, options);
  if (preview.plan.action === 'none') {
    scope.clearPlan();
    return undefined;
  }
  const report = planReport(resolved.intent, preview);
  recordPlan(scope, parts.recorder, report);
  if (approvedPlan(scope.machine) === report.id) return undefined;
  return finishReconcile(reconcile, { awaitsApproval: true, isApplied: change.drift !== undefined });
}
