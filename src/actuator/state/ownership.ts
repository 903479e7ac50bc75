/**
 * In a cluster the state of a machine is a Secret beside it, and whoever may write Secrets there may write states. Terraform
 * believes a state: a destroy removes what it names, whosever that is. So it is held against names and marks before.
 */

import { basename } from 'node:path';
import { TerminalError } from '../../errors.ts';
import { domainName, isOwnedBy, isVolumeOf, type MachineIdentity } from '../../intent/names.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { State, StateResource } from '../../terraform/format/state.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { HostedMachine } from '../machine/guest.ts';

const VOLUMES: readonly string[] = ['libvirt_volume', 'libvirt_cloudinit_disk', 'libvirt_ignition'];

/** Terraform and OpenTofu install and start whatever provider a state names: only ours, and the one that is part of them. */
const OWN_PROVIDER =
  /^provider\["(registry\.(terraform\.io|opentofu\.org)\/dmacvicar\/libvirt|terraform\.io\/builtin\/terraform)"\]$/;
/** Characters of a name in a message. */
const SHOWN_CHARACTERS = 200;

/** Throws TerminalError NotOwned for a state that names what is not the machine's. */
export async function refuseForeignState(
  { trustsStates, libvirt }: ActuatorOptions,
  machine: HostedMachine,
  state: State | undefined,
): Promise<void> {
  if (trustsStates) return;
  const foreign = state?.providers.find((provider) => !OWN_PROVIDER.test(provider));
  if (foreign !== undefined) throw notOwned(machine, foreign);
  for (const resource of state?.resources ?? []) {
    if (await isOwn(machine, resource, libvirt(machine.uri))) continue;
    throw notOwned(machine, resource.address);
  }
}

function notOwned({ name }: MachineIdentity, what: string): TerminalError {
  return new TerminalError({
    code: 'NotOwned',
    message: `the Terraform state of ${name} names ${what.slice(0, SHOWN_CHARACTERS)}, which is not this Machine's`,
    fix: 'the state was changed outside of caplv: restore an earlier one (caplv state history, caplv state restore)',
  });
}

async function isOwn(
  machine: MachineIdentity,
  { type, attributes }: StateResource,
  libvirt: Libvirt,
): Promise<boolean> {
  if (type === 'terraform_data') return true;
  const id = String(attributes['id'] ?? '');
  if (VOLUMES.includes(type)) {
    // Of a volume in a directory the id is its path, of one in Ceph or Gluster POOL/NAME; elsewhere a UUID, which cannot be guessed.
    const [key = ''] = id.split(';');
    const name = key.includes('/') ? basename(key) : String(attributes['name'] ?? '');
    return isVolumeOf(machine, name);
  }
  return type === 'libvirt_domain' && (await isOwnDomain(machine, id, libvirt));
}

/** A domain that is gone is nobody's. */
async function isOwnDomain(machine: MachineIdentity, uuid: string, libvirt: Libvirt): Promise<boolean> {
  const expected = await libvirt.domain(domainName(machine));
  if (expected?.uuid === uuid) return isOwnedBy(machine, expected.description);
  const found = (await libvirt.domains()).find((domain) => domain.uuid === uuid);
  return found === undefined || isOwnedBy(machine, found.description);
}
