/** A Machine that says plan-only: nothing is applied that nobody approved. */

import { planReport } from '../../actuator/plan/report.ts';
import type { ResolvedMachine } from '../../intent/resolve-machine.ts';
import type { MachineParts } from './dependencies.ts';
import { approvedPlan, isPlanOnly, recordPlan } from './plan-approval.ts';
import type { Drift } from './repair-policy.ts';
import type { MachineScope } from './scope.ts';

/** True while the plan of what would be done waits for a person's word. Makes the plan, and nothing else. */
export async function isHeld(
  { actuator, recorder }: MachineParts,
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
