/** Plans that wait for a person: asked for by an annotation, or refused because they would replace what holds data. */

import type { PlanReport } from '../../actuator/plan/report.ts';
import type { Machine } from '../../api/kinds/machine.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { Recorder } from '../shared/recorder.ts';
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
