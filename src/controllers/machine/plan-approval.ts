/** Plans that wait for a person: asked for by an annotation, or refused because they would replace what holds data. */

import type { PlanReport } from '../../actuator/plan/report.ts';
import { planReport } from '../../actuator/plan/report.ts';
import type { Machine } from '../../api/kinds/machine.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { ResolvedMachine } from '../../intent/resolve-machine.ts';
import { approvedPlan, recordedPlan } from '../shared/approval.ts';
import type { Recorder } from '../shared/recorder.ts';
import type { MachineDependencies } from './dependencies.ts';
import type { Drift } from './repair/policy.ts';
import type { MachineScope } from './scope/scope.ts';

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

/** True while the plan of what would be done waits for a person's word. Makes the plan, and nothing else. */
export async function awaitsApproval(
  { actuator, recorder }: MachineDependencies,
  scope: MachineScope,
  { intent }: ResolvedMachine,
  drift?: Drift,
): Promise<boolean> {
  if (!isPlanOnly(scope.machine)) return false;
  const options = { replaceDomain: drift?.replacesDomain ?? false };
  const preview = await scope.step('DomainReady', () => actuator.plan(intent, options));
  if (preview.plan.action === 'none') {
    scope.clearPlan();
    return false;
  }
  const report = planReport(intent, preview);
  recordPlan(scope, recorder, report);
  return approvedPlan(scope.machine) !== report.id;
}
