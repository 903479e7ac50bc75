/** The last phase of a Machine's reconcile: what was seen is put into the status, and when to look again is said. */

import { domainName } from '../../intent/names.ts';
import { howToApprove } from '../shared/approval.ts';
import type { Stop } from '../shared/phases.ts';
import { requeueSoonest } from '../shared/requeue.ts';
import type { MachineReconcile } from './reconcile.ts';
import { recordObservation } from './status.ts';
import { addressPollMs, guestWithoutAddress } from './waits/guest-addresses.ts';

interface SettleOptions {
  /** The plan in the status waits for a person's word. */
  readonly awaitsApproval?: boolean;
  /** What is on the host is what was asked for last. Default true. */
  readonly isApplied?: boolean;
  readonly requeueAfterMs?: number | undefined;
}

/** A guest that runs without an address is looked at again when it has one. */
export async function finishReconcile(
  { parts: { awaitAddress }, scope, placed, observed }: MachineReconcile,
  { awaitsApproval = false, isApplied = true, requeueAfterMs }: SettleOptions = {},
): Promise<Stop> {
  scope.clearError();
  scope.setProviderStatus({ domainName: domainName(placed.identity) });
  recordObservation(scope, placed, observed, isApplied);
  const { lastPlan, planDrift } = scope.providerStatus;
  if (awaitsApproval && lastPlan) {
    const what = `plan ${lastPlan.id} waits: ${lastPlan.summary}; ${howToApprove(lastPlan.id)}`;
    scope.setCondition('DomainReady', 'False', 'WaitingForApproval', what);
    // What a plan found and may not repair can be approved for as long as it is there.
  } else if (planDrift === undefined) scope.clearPlan();
  const guest = guestWithoutAddress(scope, placed, observed);
  awaitAddress?.(scope.key, guest);
  const pollMs = guest && !awaitAddress ? addressPollMs(guest) : undefined;
  return requeueSoonest(requeueAfterMs, pollMs);
}
