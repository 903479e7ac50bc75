/** A periodic plan of one machine: finds drift that a look at libvirt cannot see. */

import type { Actuator } from '../../actuator/machine-actuator.ts';
import { type DriftedFields, driftedFields } from '../../actuator/plan/drifted-fields.ts';
import { missingVolume } from '../../actuator/plan/missing-volume.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import type { ResolvedMachine } from '../../intent/resolve-machine.ts';
import { approvedPlan } from '../shared/approval.ts';
import type { MachineDependencies } from './dependencies.ts';
import type { Drift } from './repair/policy.ts';
import type { MachineScope } from './scope/scope.ts';

export interface PlanDriftResult {
  readonly drift?: Drift;
  /** When the next one is due; undefined: not before something changes. */
  readonly requeueAfterMs?: number | undefined;
}

/** Plans if the machine is due and its turn has come. What it finds stays in the status until it is repaired, or gone. */
export async function detectPlanDrift(
  { actuator, plans, repair }: MachineDependencies,
  scope: MachineScope,
  { intent }: ResolvedMachine,
): Promise<PlanDriftResult> {
  const dueInMs = plans.dueInMs(scope.machine, Date.now());
  if (dueInMs === undefined) return {};
  if (dueInMs > 0 && !mayRepairNow(scope)) return { requeueAfterMs: dueInMs };
  const turn = await plans.inTurn(scope.key, () =>
    scope.step('DomainReady', () => differencesOf(actuator, intent)),
  );
  if ('retryInMs' in turn) return { requeueAfterMs: turn.retryInMs };
  const { fields, replacesDomain } = turn.done;
  scope.setProviderStatus({ lastPlanTime: new Date().toISOString() });
  repair?.planned(fields.length > 0);
  if (fields.length === 0) {
    scope.clearPlanDrift();
    return { requeueAfterMs: plans.dueInMs({ ...scope.machine, status: scope.status }, Date.now()) };
  }
  scope.setProviderStatus({ planDrift: [...fields] });
  const text = fields.join(', ');
  return { drift: { kind: 'changed', text, detail: text, replacesDomain } };
}

async function differencesOf(actuator: Actuator, intent: MachineIntent): Promise<DriftedFields> {
  try {
    return driftedFields(await actuator.plan(intent));
  } catch (error) {
    const volume = missingVolume(error);
    if (volume === undefined) throw error;
    return { fields: [`volume ${volume} is gone`], replacesDomain: false };
  }
}

/** For drift that a plan found and that was not repaired: whether what stood in the way may be gone. */
function mayRepairNow(scope: MachineScope): boolean {
  const { machine, providerStatus } = scope;
  if (providerStatus.planDrift === undefined) return false;
  const isChanged = machine.status?.observedGeneration !== machine.metadata.generation;
  const approved = approvedPlan(machine);
  const isApproved = approved !== undefined && approved === providerStatus.lastPlan?.id;
  return isChanged || isApproved || scope.condition('Drifted')?.reason !== 'NotRepaired';
}
