/** What libvirt shows of a machine, put into its status: phase, addresses and the conditions about them. */

import { type LibvirtMachineProviderSpec, memoryMiB } from '../api/machine-provider-spec.ts';
import type { CaplvError } from '../errors.ts';
import type { DomainObservation } from '../libvirt/domain.ts';
import { differenceFrom } from './domain-difference.ts';
import type { MachineScope } from './machine-scope.ts';

export function recordObservation(
  scope: MachineScope,
  spec: LibvirtMachineProviderSpec,
  observed: DomainObservation | undefined,
): void {
  scope.setProviderStatus({ instanceState: observed?.state ?? 'absent' });
  const wasMade = scope.providerStatus.appliedHash !== undefined;
  if (!observed) {
    // One that was never made stays Failed until it is tried again.
    scope.status.phase = scope.status.errorReason !== undefined && !wasMade ? 'Failed' : 'Pending';
    scope.status.addresses = [];
    if (wasMade) scope.setCondition('DomainReady', 'False', 'NotAsSpecified', 'the domain is gone');
    return;
  }
  const { name } = scope.key;
  const addresses = observed.addresses.map(({ address }) => ({ type: 'InternalIP' as const, address }));
  scope.status.addresses = [...addresses, { type: 'Hostname', address: name }];
  const isStopped = spec.running && observed.state !== 'running';
  scope.status.phase = addresses.length > 0 && !isStopped ? 'Running' : 'Provisioned';
  const stopped = isStopped ? `the domain is ${observed.state}` : undefined;
  const difference = stopped ?? differenceFrom({ ...spec, memoryMiB: memoryMiB(spec) }, observed);
  if (difference !== undefined) {
    // A change that was refused is the reason why the domain is what it was.
    const reason = (scope.status.errorReason as CaplvError['code'] | undefined) ?? 'NotAsSpecified';
    scope.setCondition('DomainReady', 'False', reason, scope.status.errorMessage ?? difference);
  } else {
    scope.setCondition('DomainReady', 'True', spec.running ? 'AsSpecified' : 'NotStarted');
  }
  if (addresses.length > 0 || !spec.running)
    scope.setCondition('AddressesReady', 'True', spec.running ? 'AsSpecified' : 'NotStarted');
  else scope.setCondition('AddressesReady', 'False', 'WaitingForAddress');
}
