/** The end of a Machine's reconcile: what was seen is written down, and when to look again is said. */

import { domainName } from '../../intent/names.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import { howToApprove } from '../shared/approval.ts';
import { requeueSoonest } from '../shared/requeue.ts';
import type { MachineDependencies } from './dependencies.ts';
import type { PlacedMachine } from './scope/placed-machine.ts';
import type { MachineScope } from './scope/scope.ts';
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
  { awaitAddress }: MachineDependencies,
  scope: MachineScope,
  placed: PlacedMachine,
  observed: DomainObservation | undefined,
  { awaitsApproval = false, isApplied = true, requeueAfterMs }: SettleOptions = {},
): Promise<Result> {
  scope.clearError();
  scope.setProviderStatus({ domainName: domainName(placed.identity) });
  recordObservation(scope, placed, observed, isApplied);
  const { lastPlan, planDrift } = scope.providerStatus;
  if (awaitsApproval && lastPlan) {
    const what = `plan ${lastPlan.id} waits: ${lastPlan.summary}; ${howToApprove(lastPlan.id)}`;
    scope.setCondition('DomainReady', 'False', 'WaitingForApproval', what);
    // What a plan found and may not repair can be approved for as long as it is there.
  } else if (planDrift === undefined) scope.clearPlan();
  scope.summarize();
  await scope.save();
  const guest = guestWithoutAddress(scope, placed, observed);
  awaitAddress?.(scope.key, guest);
  const pollMs = guest && !awaitAddress ? addressPollMs(guest) : undefined;
  return requeueSoonest(requeueAfterMs, pollMs);
}
