/** What libvirt shows of a machine, put into its status: phase, addresses and the conditions about them. */

import type { LibvirtMachineProviderSpec } from '../api/machine-provider-spec.ts';
import type { DomainObservation } from '../libvirt/domain.ts';
import type { MachineScope } from './machine-scope.ts';

export function recordObservation(
  scope: MachineScope,
  spec: Pick<LibvirtMachineProviderSpec, 'running'>,
  observed: DomainObservation | undefined,
): void {
  scope.setProviderStatus({ instanceState: observed?.state ?? 'absent' });
  if (!observed) {
    scope.status.phase = 'Pending';
    scope.status.addresses = [];
    scope.setCondition('DomainReady', 'False', 'Provisioning', 'the domain does not exist');
    return;
  }
  const { name } = scope.key;
  const addresses = observed.addresses.map(({ address }) => ({ type: 'InternalIP' as const, address }));
  scope.status.addresses = [...addresses, { type: 'Hostname', address: name }];
  scope.status.phase = addresses.length > 0 ? 'Running' : 'Provisioned';
  if (observed.state !== 'running' && spec.running) {
    scope.status.phase = 'Provisioned';
    scope.setCondition('DomainReady', 'False', 'Provisioning', `the domain is ${observed.state}`);
  } else {
    scope.setCondition('DomainReady', 'True', spec.running ? 'AsSpecified' : 'NotStarted');
  }
  if (addresses.length > 0 || !spec.running)
    scope.setCondition('AddressesReady', 'True', spec.running ? 'AsSpecified' : 'NotStarted');
  else scope.setCondition('AddressesReady', 'False', 'WaitingForAddress');
}
