/** A periodic plan of one machine: finds drift that a look at libvirt cannot see. */

import { type DriftedFields, driftedFields } from '../../actuator/plan/drifted-fields.ts';
import { missingVolume } from '../../actuator/plan/missing-volume.ts';
import type { PlanPreview } from '../../actuator/plan/preview.ts';
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
  // A command runs once, and what it learns of a machine helps nobody.
  let isPlanned = repair === undefined;
  const plan = () =>
    repair === undefined
      ? actuator.plan(intent)
      : actuator.planIfChanged(intent, (reason) => {
          isPlanned = true;
          repair.planning(reason);
        });
  const turn = await plans.inTurn(scope.key, () => scope.step('DomainReady', () => differencesOf(plan)));
  if ('retryInMs' in turn) return { requeueAfterMs: turn.retryInMs };
  const { fields, replacesDomain } = turn.done;
  // One write a day is enough to show that a machine is compared, where nothing else has to be written of it.
  if (isPlanned || plans.isOld(scope.machine, Date.now()))
    scope.setProviderStatus({ lastPlanTime: new Date().toISOString() });
  else plans.compared(scope.machine, Date.now());
  repair?.planned(fields.length > 0);
  if (fields.length === 0) {
    scope.clearPlanDrift();
    return { requeueAfterMs: plans.dueInMs({ ...scope.machine, status: scope.status }, Date.now()) };
  }
  scope.setProviderStatus({ planDrift: [...fields] });
  const text = fields.join(', ');
  return { drift: { kind: 'changed', text, detail: text, replacesDomain } };
}

async function differencesOf(plan: () => Promise<PlanPreview | undefined>): Promise<DriftedFields> {
  try {
    const preview = await plan();
    return preview ? driftedFields(preview) : { fields: [], replacesDomain: false };
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
