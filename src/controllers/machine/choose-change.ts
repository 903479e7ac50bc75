/** The phases that decide what of a Machine is changed on its host, and whether that may begin. */

import { intentHash } from '../../intent/machine-intent.ts';
import type { Stop } from '../shared/phases.ts';
import { mayHaveMoved, refuseSecondDomain } from './moved-domain.ts';
import { observeDomain } from './observe-domain.ts';
import { detectPlanDrift } from './plan-drift.ts';
import { dropReboot, pendingReboot, requestedPower } from './power/requests.ts';
import { MachineChange, type MachineReconcile, STALE } from './reconcile.ts';
import { visibleDrift } from './repair/drift.ts';
import { finishReconcile } from './settle.ts';

/** Finds what was asked for and not applied, or what somebody else has changed. Ends the reconcile if there is neither. */
export async function chooseChange(reconcile: MachineReconcile): Promise<Stop | undefined> {
  const { parts, scope, placed, resolved, observed, isNew } = reconcile;
  dropReboot(scope, placed);
  const asked = pendingChange(reconcile);
  const seen = isNew ? undefined : visibleDrift(placed, observed);
  // A domain that is gone is drift whatever else was asked for.
  if (asked !== undefined && seen?.kind !== 'lost') {
    reconcile.change = new MachineChange(asked);
    return undefined;
  }
  if (seen) {
    reconcile.change = new MachineChange(seen.text, seen);
    return undefined;
  }
  if (await parts.hasIncompleteState?.(scope.identity)) {
    reconcile.change = new MachineChange('its Terraform state does not hold all of it');
    return undefined;
  }
  const planned = await detectPlanDrift(parts, scope, resolved);
  if (!planned.drift) return finishReconcile(reconcile, { requeueAfterMs: planned.requeueAfterMs });
  // Of what happened to the domain meanwhile libvirt says more than Terraform: who stopped it, for one.
  reconcile.observed = await observeDomain(parts, placed);
  const drift = { ...planned.drift, ...visibleDrift(placed, reconcile.observed) };
  reconcile.change = new MachineChange(drift.text, drift);
  return undefined;
}

/** Ends the reconcile if drift is not to be repaired now. */
export async function allowRepair(reconcile: MachineReconcile): Promise<Stop | undefined> {
  const { parts, scope, placed, observed, change } = reconcile;
  if (!change.drift) return undefined;
  if (!(await scope.isCurrent())) return STALE;
  if (mayHaveMoved(change.drift, observed)) await refuseSecondDomain(parts, scope, placed);
  const gate = await parts.repair?.gate(scope, placed, change.drift);
  if (!gate || gate.open) return undefined;
  return finishReconcile(reconcile, { requeueAfterMs: gate.requeueAfterMs });
}

/**
 * Ends the reconcile if what was asked for has changed since: the plan for approval may have taken long. Of drift that was checked
 * before its repair was counted.
 */
export async function requireCurrent(reconcile: MachineReconcile): Promise<Stop | undefined> {
  const { parts, scope, placed, observed, change } = reconcile;
  if (change.drift) return undefined;
  if (!(await scope.isCurrent())) return STALE;
  if (observed === undefined) await refuseSecondDomain(parts, scope, placed);
  return undefined;
}

/** What was asked for, in a few words for an event; undefined: nothing that was not applied. */
function pendingChange({ isNew, scope, placed, resolved, observed }: MachineReconcile): string | undefined {
  if (isNew) return 'the machine is new';
  const isApplied = scope.providerStatus.appliedHash === intentHash(resolved.intent);
  if (isApplied && pendingReboot(scope, placed) === undefined) return undefined;
  return requestedPower(scope, placed, observed) ?? 'the specification changed';
}
