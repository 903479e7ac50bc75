/** Reads from Terraform's messages what a plan would change. */

import type { Message } from './messages.ts';
import type { ChangeAction, ResourceChange } from './resource-change.ts';

/** The gravest thing that a plan does. */
export type PlanAction = 'none' | 'create' | 'update' | 'replace' | 'delete';

export interface Plan {
  readonly action: PlanAction;
  /** What would be done, in Terraform's order. */
  readonly changes: readonly ResourceChange[];
  /** What was changed outside of Terraform since its last run. */
  readonly drift: readonly ResourceChange[];
  /** Saved plan; it holds secrets. Only with `save`. */
  readonly file?: string;
}

const GRAVITY: readonly PlanAction[] = ['none', 'create', 'update', 'replace', 'delete'];

const EFFECT: Readonly<Record<ChangeAction, PlanAction>> = {
  noop: 'none',
  read: 'none',
  create: 'create',
  update: 'update',
  move: 'update',
  import: 'update',
  // Leaves the object and forgets it: for whoever guards against loss this is no better than a deletion.
  remove: 'delete',
  replace: 'replace',
  delete: 'delete',
};

/** @param file where the plan was saved, if it was */
export function planFrom(messages: readonly Message[], file?: string): Plan {
  const changes: ResourceChange[] = [];
  const drift: ResourceChange[] = [];
  let outputsChange = false;
  for (const message of messages) {
    if (message.type === 'planned_change') changes.push(message.change);
    if (message.type === 'resource_drift') drift.push(message.change);
    if (message.type === 'outputs') {
      outputsChange = Object.values(message.outputs).some(
        ({ action }) => action !== undefined && action !== 'noop',
      );
    }
  }
  const action = gravest(changes.map((change) => effectOf(change.action)));
  return {
    action: action === 'none' && outputsChange ? 'update' : action,
    changes,
    drift,
    ...(file !== undefined && { file }),
  };
}

/** An action of a later Terraform that we do not know counts as the worst: a guard must not let it pass. */
function effectOf(action: ChangeAction): PlanAction {
  return EFFECT[action] ?? 'delete';
}

/** True if what was there is not there afterwards, or not the same. */
export function takesAway(action: ChangeAction): boolean {
  const effect = effectOf(action);
  return effect === 'replace' || effect === 'delete';
}

function gravest(actions: readonly PlanAction[]): PlanAction {
  return GRAVITY[Math.max(0, ...actions.map((action) => GRAVITY.indexOf(action)))] ?? 'none';
}
