/** Finds out what is known of a machine without asking its guest, which may say what it likes. */

import { type Machine, storedMachineSpec } from '../../api/kinds/machine.ts';
import { instanceIdOf } from '../../intent/instance-id.ts';
import { domainName, isOwnedBy, objectName } from '../../intent/names.ts';
import type { Policy } from '../../intent/policy.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { MachineEvidence } from './verdict.ts';

export interface EvidenceSources {
  readonly policy: Pick<Policy, 'host'>;
  readonly libvirt: (uri: AllowedHost) => Pick<Libvirt, 'domain' | 'answers'>;
}

/** Why there is no evidence: nothing is known of the machine while its host is out of reach. */
export const HOST_SILENT = 'the host of the machine does not answer';

/**
 * Asks the host of the machine. Addresses are its leases and what its manifest declares: what a guest agent says, and what the host has
 * heard on a bridge, any guest may claim. Returns why there is no evidence as text. Throws LibvirtError.
 */
export async function evidenceOf(
  machine: Machine,
  { policy, libvirt }: EvidenceSources,
): Promise<MachineEvidence | string> {
  const { namespace = 'default', name } = machine.metadata;
  const identity = { namespace, name, uid: instanceIdOf(machine) };
  const uri = machine.status?.providerStatus?.pinned?.uri;
  const host = uri === undefined ? undefined : policy.host(uri);
  if (!host) return 'it is not known on which host the machine runs';
  const observer = libvirt(host);
  // Others find out when it answers again.
  if (observer.answers === false) return HOST_SILENT;
  const domain = await observer.domain(domainName(identity));
  if (domain?.state !== 'running' || !isOwnedBy(identity, domain.description))
    return 'the domain of the machine does not run';
  const declared = (storedMachineSpec(machine).interfaces ?? []).flatMap(({ addresses = [] }) => addresses);
  const leased = domain.addresses.flatMap(({ source, address }) => (source === 'lease' ? address : []));
  return { hostname: objectName(identity), addresses: [...new Set([...leased, ...declared])] };
}
