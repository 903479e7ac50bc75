/** Plans that wait for a person: asked for by an annotation, or refused because they would replace what holds data. */

import type { PlanReport } from '../../actuator/plan/report.ts';
import { planReport } from '../../actuator/plan/report.ts';
import type { Machine } from '../../api/kinds/machine.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { ResolvedMachine } from '../../intent/resolve-machine.ts';
import type { Recorder } from '../shared/recorder.ts';
import type { MachineParts } from './dependencies.ts';
import type { Drift } from './repair-policy.ts';
import type { MachineScope } from './scope.ts';

/** While it is there nothing is applied that was not approved. */
export const PLAN_ONLY_ANNOTATION = `${GROUP}/plan-only`;
/** Its value is the id of the plan that may be applied, whatever it does. */
export const APPROVE_PLAN_ANNOTATION = `${GROUP}/approve-plan`;

/** The schema of status takes no more. */
const MOST_ACTIONS = 64;

export function isPlanOnly({ metadata }: Machine): boolean {
  return metadata.annotations?.[PLAN_ONLY_ANNOTATION] !== undefined;
}

export function approvedPlan({ metadata }: Machine): string | undefined {
  return metadata.annotations?.[APPROVE_PLAN_ANNOTATION];
}

/** Puts the plan into the status, and tells of it once. */
export function recordPlan(
  scope: MachineScope,
  recorder: Recorder,
  { id, summary, actions }: PlanReport,
): void {
  if (scope.providerStatus.lastPlan?.id === id) return;
  const time = new Date().toISOString();
  scope.setProviderStatus({ lastPlan: { id, time, summary, actions: actions.slice(0, MOST_ACTIONS) } });
  const steps = actions.map(
    ({ action, address, reason }) => `${action} ${address}${reason ? ` (forced by ${reason})` : ''}`,
  );
  recorder.event(scope.machine, {
    type: 'Normal',
    reason: 'Planned',
    message: `plan ${id}: ${summary}; ${howToApprove(id)}; ${steps.join(', ')}`,
  });
}

export function howToApprove(id: string): string {
  return `approve it with the annotation ${APPROVE_PLAN_ANNOTATION}=${id}`;
}

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
