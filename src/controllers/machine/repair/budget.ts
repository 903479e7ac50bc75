/** Makes the repair budget that all controllers of a process share. */

import type { Machine } from '../../../api/kinds/machine.ts';
import { keyOf } from '../../../apimachinery/object-key.ts';
import { domainName } from '../../../intent/names.ts';
import type { Policy } from '../../../intent/policy.ts';
import type { AllowedHost } from '../../../system/allowed-host.ts';
import { pastRemediations } from '../../machine-health-check/remediation.ts';
import type { MachineView } from '../../shared/machine-view.ts';
import { isHeldByBudget, RepairBudget, type RepairLimits } from '../../shared/repair-budget.ts';
import type { SetupDependencies } from '../../shared/setup.ts';

export interface RepairBudgetSetup extends SetupDependencies {
  /** Of both APIs, should both be served. */
  readonly machines: MachineView;
  readonly policy: Policy;
  readonly repairs: RepairLimits;
}

/** Counts what MachineHealthChecks replaced, too, and keeps a metric of the Machines that it holds. `hasDomain`: see `HostWatches.has`. */
export function newRepairBudget(
  { store, repairs, policy, metrics, machines, informers: { checks } }: RepairBudgetSetup,
  hasDomain: (uri: AllowedHost, domain: string) => boolean | undefined,
): RepairBudget {
  const held = metrics.gauge(
    'caplv_machines_held',
    'Machines that are lost, and that the repair budget holds.',
  );
  metrics.onCollect(() => held.set(machines.list().filter(isHeldByBudget).length));
  const isLost = (machine: Machine) => {
    const { pinned, appliedHash } = machine.status?.providerStatus ?? {};
    if (pinned === undefined || appliedHash === undefined) return false;
    const host = policy.host(pinned.uri);
    return host !== undefined && hasDomain(host, domainName(keyOf(machine))) === false;
  };
  const elsewhere = async () => checks.list().flatMap(pastRemediations);
  return new RepairBudget({ store, limits: repairs, isLost, elsewhere });
}
