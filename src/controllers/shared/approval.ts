/** A person's word for a plan: by the annotation of a Machine or Cluster, with the id that the status shows. */

import type { PlanReport } from '../../actuator/plan/report.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { APPROVE_DISKS_ANNOTATION } from './named-disks.ts';
import type { Recorder } from './recorder.ts';

/** Its value is the id of the plan that may be applied, whatever it does but delete a disk with what is on it. */
export const APPROVE_PLAN_ANNOTATION = `${GROUP}/approve-plan`;

/** The schema of status takes no more. */
const MOST_ACTIONS = 64;

/** A plan as the status of an object has it. */
export interface RecordedPlan {
  id: string;
  /** RFC 3339. */
  time: string;
  summary: string;
  actions: {
    address: string;
    action: 'create' | 'update' | 'replace' | 'delete';
    reason?: string | undefined;
  }[];
}

export function approvedPlan({ metadata }: Pick<KubeObject, 'metadata'>): string | undefined {
  return metadata.annotations?.[APPROVE_PLAN_ANNOTATION];
}

/** `disks`: see `PlanReport`. */
export function howToApprove(id: string, disks: readonly string[] = []): string {
  const named = disks.length > 0 ? ` and ${APPROVE_DISKS_ANNOTATION}=${disks.join(',')}` : '';
  return `approve it with the annotation ${APPROVE_PLAN_ANNOTATION}=${id}${named}`;
}

/** The plan for the status of `object`, told of once. `known`: the one that is there. */
export function recordedPlan(
  object: KubeObject,
  known: RecordedPlan | undefined,
  recorder: Recorder,
  { id, summary, actions, disks }: PlanReport,
): RecordedPlan {
  if (known?.id === id) return known;
  const steps = actions.map(
    ({ action, address, reason }) => `${action} ${address}${reason ? ` (forced by ${reason})` : ''}`,
  );
  recorder.event(object, {
    type: 'Normal',
    reason: 'Planned',
    message: `plan ${id}: ${summary}; ${howToApprove(id, disks)}; ${steps.join(', ')}`,
  });
  return { id, time: new Date().toISOString(), summary, actions: actions.slice(0, MOST_ACTIONS) };
}
