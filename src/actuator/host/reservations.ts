/**
 * Fixed addresses of a machine on its host. The provider writes a reservation over whatever shares MAC, name or address with it,
 * and never takes one back (0.8.3). So each is claimed before the provider runs, by an add that libvirt refuses if it is taken.
 */

import { formatKey } from '../../apimachinery/object-key.ts';
import { TerminalError } from '../../errors.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { isOwnedBy, type MachineIdentity, readMark } from '../../intent/names.ts';
import {
  type OwnerOfMac,
  ownReservations,
  planReservations,
  type ReservationPlan,
  type ReservationProblem,
  type ReservedAddress,
  wantedReservations,
} from '../../intent/reservations.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { HostedMachine } from '../machine/guest.ts';

/** Returns what stands in the way of the fixed addresses of a machine, as far as its networks are there. Changes nothing. */
export async function findReservationProblems(
  options: ActuatorOptions,
  intent: MachineIntent,
): Promise<readonly ReservationProblem[]> {
  return (await compare(options, intent)).problems;
}

/**
 * Makes the reservations that are missing, and takes back those of this machine that are in their way or that it no longer asks
 * for (`before`). Throws TerminalError AddressInUse or InvalidConfiguration, and then has made nothing that was not its own.
 */
export async function claimAddresses(
  options: ActuatorOptions,
  intent: MachineIntent,
  before: readonly ReservedAddress[] = [],
): Promise<void> {
  const wanted = wantedReservations(intent);
  const dropped = before.filter(
    (one) => !wanted.some(({ network, address }) => network === one.network && address === one.address),
  );
  if (wanted.length + dropped.length === 0) return;
  let plan = await compare(options, intent);
  const [problem] = plan.problems;
  if (problem) throw reservationError(problem, '');
  if (dropped.length > 0) {
    await releaseAddresses(options, intent, dropped);
    plan = await compare(options, intent);
  }
  const libvirt = options.libvirt(intent.uri);
  for (const one of plan.outdated) await libvirt.removeReservations(one.network, [one]);
  for (const { network, where, ...entry } of plan.missing) {
    try {
      await libvirt.addReservation(network, entry, where);
    } catch (error) {
      if (!(error instanceof LibvirtError)) throw error;
      const now = await compare(options, intent);
      const [taken] = now.problems;
      if (taken) throw reservationError(taken, '');
      // Somebody else has made this very one.
      if (now.missing.some(({ ip }) => ip === entry.ip)) throw error;
    }
  }
}

/** Takes back what was reserved for a machine; what others have reserved since stays. */
export async function releaseAddresses(
  options: ActuatorOptions,
  machine: HostedMachine,
  reserved: readonly ReservedAddress[],
): Promise<void> {
  if (reserved.length === 0) return;
  const libvirt = options.libvirt(machine.uri);
  const networks = await libvirt.networkAddresses([...new Set(reserved.map(({ network }) => network))]);
  const own = ownReservations(reserved, networks, await findOwners(libvirt, machine));
  for (const one of own) await libvirt.removeReservations(one.network, [one]);
}

/** The problem as an error; `path`: of the provider spec, ending in a dot, or empty. */
export function reservationError(
  { wanted, field, kind, message, fix }: ReservationProblem,
  path: string,
): TerminalError {
  return new TerminalError({
    code: kind === 'taken' ? 'AddressInUse' : 'InvalidConfiguration',
    path: `${path}interfaces[${wanted.index}].${field}`,
    message,
    fix,
  });
}

async function compare(options: ActuatorOptions, intent: MachineIntent): Promise<ReservationPlan> {
  const wanted = wantedReservations(intent);
  if (wanted.length === 0) return { problems: [], missing: [], outdated: [] };
  const libvirt = options.libvirt(intent.uri);
  const networks = await libvirt.networkAddresses([...new Set(wanted.map(({ network }) => network))]);
  const isAnyThere = [...networks.values()].some(({ live, stored }) => live?.length || stored?.length);
  const ownerOf = isAnyThere ? await findOwners(libvirt, intent) : () => undefined;
  return planReservations(wanted, networks, ownerOf);
}

/** By the domains of the host, of which ours say whose they are. */
async function findOwners(libvirt: Libvirt, machine: MachineIdentity): Promise<OwnerOfMac> {
  const owners = new Map<string, ReturnType<OwnerOfMac>>();
  for (const { name, description, interfaces } of await libvirt.domains({ onUnreadable: () => {} })) {
    const mark = readMark(description);
    const owner = isOwnedBy(machine, description)
      ? 'self'
      : { name: mark ? describeOther(machine, mark) : `domain "${name}"` };
    for (const { mac } of interfaces) owners.set(mac, owner);
  }
  return (mac) => owners.get(mac);
}

/** Names a machine that is not this one, also where its name is the same: on a host that two installations share. */
function describeOther(
  { namespace, name }: MachineIdentity,
  other: { readonly namespace: string; readonly name: string },
): string {
  const isNamesake = other.namespace === namespace && other.name === name;
  return `Machine "${formatKey(other)}"${isNamesake ? ' of another installation' : ''}`;
}
