/** Whether Terraform has to run for a machine at all: an unchanged one costs no process. */

import { intentHash } from '../intent/machine-intent.ts';
import type { ResolvedMachine } from '../intent/resolve-machine.ts';
import type { DomainObservation } from '../libvirt/domain.ts';
import { differenceFrom } from './domain-difference.ts';
import type { MachineScope } from './machine-scope.ts';

/** A plan that nothing asked for finds what the observer cannot see; the jitter keeps many machines apart. */
const PLAN_INTERVAL_MS = 30 * 60_000;

/** Why Terraform has to run, in a few words; undefined: it has not. */
export function reasonToRun(
  scope: MachineScope,
  { intent }: ResolvedMachine,
  observed: DomainObservation | undefined,
): string | undefined {
  const { appliedHash, lastPlanTime } = scope.providerStatus;
  if (appliedHash === undefined) return 'the machine is new';
  if (appliedHash !== intentHash(intent)) return 'the specification changed';
  const difference = differenceFrom(intent.domain, observed);
  if (difference !== undefined) return difference;
  const age = Date.now() - Date.parse(lastPlanTime ?? '1970-01-01');
  return age > PLAN_INTERVAL_MS * (1 + Math.random() / 10) ? 'a periodic plan is due' : undefined;
}
