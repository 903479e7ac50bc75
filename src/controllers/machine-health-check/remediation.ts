/** Which unhealthy machines a MachineHealthCheck deletes now, and why not the others. */

import type { Machine } from '../../api/kinds/machine.ts';
import type { MachineHealthCheck, Remediation } from '../../api/kinds/machine-health-check.ts';
import type { Store } from '../../store/store.ts';
import { APPROVE_DISKS_ANNOTATION, approvedDisks, unapprovedDisks } from '../shared/named-disks.ts';
import { type PastRepair, placeOf, type RepairBudget } from '../shared/repair-budget.ts';
import { type Checked, type Findings, limitOf } from './status.ts';
import { whyNoSuccessor } from './successor.ts';

export interface RemediationDependencies {
  readonly store: Store;
  readonly budget: Pick<RepairBudget, 'take' | 'limits'>;
}

export interface Decision {
  readonly machinesToDelete: readonly { readonly machine: Machine; readonly why: string }[];
  readonly findings: Findings;
}

/** `check`: with its defaults. `lookAgain`: judges by Nodes as they are now. */
export async function decideRemediation(
  { store, budget }: RemediationDependencies,
  check: MachineHealthCheck,
  checked: readonly Checked[],
  lookAgain: (machines: readonly Machine[]) => Promise<readonly Checked[]>,
): Promise<Decision> {
  const nowMs = Date.now();
  const past = (check.status?.remediations ?? []).filter(
    ({ time }) => nowMs - Date.parse(time) < budget.limits.windowMs,
  );
  const outcomes = new Map<string, string>();
  const findings = { checked, outcomes, remediations: past };
  const sick = checked.filter(({ health }) => health.state === 'unhealthy').map(({ machine }) => machine);
  if (sick.length === 0) return { machinesToDelete: [], findings };

  const { notHealthy, most } = limitOf(check, checked);
  if (notHealthy > most) {
    for (const { metadata } of sick) outcomes.set(metadata.name, 'not replaced, as too many are not healthy');
    const message = `${notHealthy} of ${checked.length} machines are not healthy, and maxUnhealthy is ${check.spec.maxUnhealthy}: nothing is replaced; mend them, or raise maxUnhealthy`;
    return { machinesToDelete: [], findings: { ...findings, held: { reason: 'TooManyUnhealthy', message } } };
  }

  const uids = new Set(sick.map(({ metadata }) => metadata.uid));
  const machinesToDelete: { machine: Machine; why: string }[] = [];
  let held: Findings['held'];
  for (const { machine, health } of await lookAgain(sick)) {
    if (health.state !== 'unhealthy') continue;
    const { name } = machine.metadata;
    const obstacle = health.needsPerson
      ? 'its successor would fail the same way'
      : (whyDataStays(machine) ?? (await whyNoSuccessor(store, machine)));
    if (obstacle !== undefined) {
      outcomes.set(name, `not replaced: ${obstacle}`);
      continue;
    }
    const verdict = await budget.take(machine, ({ metadata }) => uids.has(metadata.uid));
    if (verdict.allowed) {
      outcomes.set(name, 'replaced');
      machinesToDelete.push({ machine, why: health.why });
    } else {
      outcomes.set(name, 'not replaced, as the repair budget is used up');
      held = { reason: 'RepairsHeld', message: verdict.message };
    }
  }
  const going = machinesToDelete.map(({ machine }) => remediationOf(machine, new Date(nowMs).toISOString()));
  const others = past.filter(({ uid }) => !going.some((one) => one.uid === uid));
  return {
    machinesToDelete,
    findings: { ...findings, remediations: [...others, ...going], ...(held && { held }) },
  };
}

/** Undefined: nothing that was not named is lost with the machine. */
function whyDataStays(machine: Machine): string | undefined {
  const disks = unapprovedDisks([machine], approvedDisks(machine));
  if (disks.length === 0) return undefined;
  const named = [...approvedDisks(machine), ...disks].join(',');
  return `what is on its ${disks.length > 1 ? 'disks' : 'disk'} ${disks.join(', ')} would be lost; if it may: annotate it with ${APPROVE_DISKS_ANNOTATION}=${named}`;
}

/** What the repair budget wants to know of Machines that are gone. */
export function pastRemediations({ status }: MachineHealthCheck): PastRepair[] {
  return (status?.remediations ?? []).map(({ uid, time, host, set }) => ({
    machine: uid,
    atMs: Date.parse(time),
    host,
    set,
  }));
}

function remediationOf(machine: Machine, time: string): Remediation {
  const { machine: uid, host, set } = placeOf(machine);
  return {
    name: machine.metadata.name,
    uid,
    time,
    ...(host === undefined ? {} : { host }),
    ...(set === undefined ? {} : { set }),
  };
}
