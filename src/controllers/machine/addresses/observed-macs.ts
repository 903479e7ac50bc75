/** Keeps the MAC addresses of a machine that was made before they were assigned: its domain has what the provider chose. */

import { reservedAddresses } from '../../../intent/reservations.ts';
import type { ResolvedMachine } from '../../../intent/resolve-machine.ts';
import type { DomainObservation } from '../../../libvirt/domain.ts';

/** Returns the machine with the addresses of its domain, or as it is: it has its own, or the domain has other interfaces. */
export function withObservedMacs(
  resolved: ResolvedMachine,
  observed: Pick<DomainObservation, 'interfaces'> | undefined,
): ResolvedMachine {
  const { intent, pinned } = resolved;
  const found = observed?.interfaces ?? [];
  // What `terraform` of the spec adds or takes away may stand in their order.
  if (pinned.macs !== undefined || intent.terraform !== undefined) return resolved;
  if (found.length === 0 || found.length !== intent.interfaces.length) return resolved;
  const interfaces = intent.interfaces.map((nic, index) =>
    nic.mac === undefined ? { ...nic, assignedMac: found[index]?.mac ?? '' } : nic,
  );
  const macs = interfaces.map(({ mac, assignedMac }) => mac ?? assignedMac ?? '');
  const reservations = reservedAddresses({ name: intent.name, interfaces });
  return { intent: { ...intent, interfaces }, pinned: { ...pinned, macs, reservations } };
}
