/** What libvirt shows of a machine, put into its status: phase, addresses and the conditions about them. */

import { type PowerRequest, STOPPED_ANNOTATION, stopRequest } from '../../api/schema/power.ts';
import type { CaplvError } from '../../errors.ts';
import { objectName } from '../../intent/names.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import type { Reason } from '../shared/conditions.ts';
import { guestAddresses, missingAddresses } from './addresses/report.ts';
import { visibleDrift } from './repair/drift.ts';
import type { PlacedMachine } from './scope/placed-machine.ts';
import type { MachineScope } from './scope/scope.ts';

/** `isApplied`: what differs is drift, and no change that somebody asked for and that was not made yet. */
export function recordObservation(
  scope: MachineScope,
  placed: PlacedMachine,
  observed: DomainObservation | undefined,
  isApplied: boolean,
): void {
  const { spec } = placed;
  scope.setProviderStatus({ instanceState: observed?.state ?? 'absent' });
  const wasMade = scope.providerStatus.appliedHash !== undefined;
  if (!observed) {
    // One that was never made stays Failed until it is tried again.
    scope.status.phase = scope.status.errorReason !== undefined && !wasMade ? 'Failed' : 'Pending';
    scope.status.addresses = [];
    if (wasMade) recordDifference(scope, placed, observed, isApplied);
    return;
  }
  const name = objectName(scope.key);
  const isRunning = observed.state === 'running';
  const known = isRunning
    ? guestAddresses(placed, observed)
    : observed.addresses.map(({ address }) => address);
  const addresses = known.map((address) => ({ type: 'InternalIP' as const, address }));
  scope.status.addresses = [...addresses, { type: 'Hostname', address: name }];
  const missing = isRunning ? missingAddresses(placed, observed) : undefined;
  const isReachable = addresses.length > 0 && missing === undefined;
  const isStopped = spec.running && !isRunning;
  scope.status.phase = isReachable && !isStopped ? 'Running' : 'Provisioned';
  if (isReachable) scope.clearLeasesBefore();
  recordDifference(scope, placed, observed, isApplied);
  const stop = stopRequest(scope.machine);
  if (stop) scope.setCondition('AddressesReady', 'False', 'Stopped', stoppedMessage(stop));
  else if (!spec.running) scope.setCondition('AddressesReady', 'True', 'NotStarted');
  else if (isReachable) scope.setCondition('AddressesReady', 'True', 'AsSpecified');
  else scope.setCondition('AddressesReady', 'False', 'WaitingForAddress', missing);
}

/** Says that the machine is off on purpose, and how it is started. */
export function stoppedMessage({ value }: PowerRequest): string {
  const since = value === '' ? '' : ` (${value})`;
  return `stopped on purpose by the annotation ${STOPPED_ANNOTATION}${since}; caplv start, or remove the annotation, starts it`;
}

/** Reasons of Drifted that say why it lasts, and so why the domain is not ready. */
const LASTING: ReadonlySet<string> = new Set(['NotRepaired', 'CrashLoopBackOff', 'RepairsHeld']);

function recordDifference(
  scope: MachineScope,
  placed: PlacedMachine,
  observed: DomainObservation | undefined,
  isApplied: boolean,
): void {
  const drift = visibleDrift(placed, observed);
  const difference = drift?.text ?? scope.providerStatus.planDrift?.join(', ');
  const drifted = scope.condition('Drifted');
  if (difference === undefined) {
    if (scope.providerStatus.appliedHash !== undefined) scope.setCondition('Drifted', 'False', 'AsSpecified');
    scope.setCondition('DomainReady', 'True', placed.spec.running ? 'AsSpecified' : 'NotStarted');
    return;
  }
  if (isApplied && drifted?.status !== 'True') {
    scope.setCondition('Drifted', 'True', 'NotAsSpecified', drift?.detail ?? difference);
  }
  // A change that was refused is the reason why the domain is what it was.
  const refused = scope.status.errorReason as CaplvError['code'] | undefined;
  if (refused !== undefined)
    scope.setCondition('DomainReady', 'False', refused, scope.status.errorMessage ?? difference);
  else if (isApplied && drifted?.status === 'True' && LASTING.has(drifted.reason))
    scope.setCondition('DomainReady', 'False', drifted.reason as Reason, drifted.message);
  else scope.setCondition('DomainReady', 'False', 'NotAsSpecified', difference);
}
