/** Holds the fixed addresses of a machine against its networks and against other Machines, before anything is made for them. */

import { reservationError } from '../../../actuator/host/reservations.ts';
import type { Actuator } from '../../../actuator/machine-actuator.ts';
import { type Machine, MachineKind } from '../../../api/kinds/machine.ts';
import { formatKey, keyOf } from '../../../apimachinery/object-key.ts';
import { TerminalError, TransientError } from '../../../errors.ts';
import type { MachineIntent } from '../../../intent/hosted-intent.ts';
import { unusableProblem, type WantedReservation, wantedReservations } from '../../../intent/reservations.ts';
import type { Store } from '../../../store/store.ts';
import type { PlacedMachine } from '../scope/placed-machine.ts';

/**
 * Asks the networks. Throws TerminalError InvalidConfiguration for an address that its network can never give, AddressInUse for one that
 * it keeps for something else. `mayFollow`: what has it now goes before this machine is made.
 */
export async function refuseUnusableAddresses(
  actuator: Pick<Actuator, 'reservationProblems'>,
  { path, site }: PlacedMachine,
  intent: MachineIntent,
  { mayFollow = false } = {},
): Promise<void> {
  const wanted = wantedReservations(intent);
  if (wanted.length === 0) return;
  const problems = await actuator.reservationProblems(intent);
  const [problem] = problems.filter(({ kind }) => kind === 'unusable' || !mayFollow);
  if (problem) throw reservationError(problem, `${path}.`);
  // A network that the Cluster is about to make; the provider gives the host the first address of each range.
  const planned = (site.network.addresses ?? []).flatMap((range) => {
    const [address = '', prefix] = range.split('/');
    return address.includes(':') ? [] : [{ address: firstHost(address), prefix: Number(prefix) }];
  });
  for (const one of wanted) {
    if (one.network !== site.network.name || planned.length === 0) continue;
    const unusable = unusableProblem(one, planned);
    if (unusable) throw reservationError(unusable, `${path}.`);
  }
}

/**
 * Asks the other Machines, which say what they have been given also while nothing of it is on the host yet. Throws AddressInUse:
 * TerminalError, or TransientError while the other one is being made or deleted.
 */
export async function refuseTakenAddresses(
  store: Store,
  { machine, path, site }: PlacedMachine,
  intent: MachineIntent,
): Promise<void> {
  const { appliedHash, pinned: own } = machine.status?.providerStatus ?? {};
  // What a machine was made with is its own by now, or the host says whose it is.
  const held = (appliedHash !== undefined && own?.reservations) || [];
  const wanted = wantedReservations(intent).filter(
    ({ network, address, hostname }) =>
      !held.some((one) => one.network === network && one.address === address && one.hostname === hostname),
  );
  if (wanted.length === 0) return;
  for (const other of await store.list(MachineKind, { onUnreadable: () => {} })) {
    const pinned = other.status?.providerStatus?.pinned;
    if (other.metadata.uid === machine.metadata.uid || pinned?.uri !== site.uri) continue;
    for (const one of wanted) {
      const taken = pinned.reservations?.find(
        ({ network, address, hostname }) =>
          network === one.network && (address === one.address || hostname === one.hostname),
      );
      if (taken) throw takenBy(other, one, taken.address === one.address, path);
    }
  }
}

function takenBy(
  other: Machine,
  wanted: WantedReservation,
  isAddress: boolean,
  path: string,
): TerminalError | TransientError {
  const { deletionTimestamp } = other.metadata;
  const [field, what] = isAddress ? ['addresses[0]', wanted.address] : ['hostname', wanted.hostname];
  const details = {
    code: 'AddressInUse',
    path: `${path}.interfaces[${wanted.index}].${field}`,
    message: `${what} in network "${wanted.network}" is reserved for Machine "${formatKey(keyOf(other))}"`,
    fix: isAddress
      ? 'use another address, or delete that Machine first'
      : 'give this interface another hostname',
  } as const;
  const { phase, providerStatus } = other.status ?? {};
  const isBeingMade = providerStatus?.appliedHash === undefined && phase !== 'Failed';
  // Of two that see each other at the same time one has to be first.
  if (deletionTimestamp || isBeingMade) {
    return new TransientError({ ...details, retryAfterMs: 3_000 + 4_000 * Math.random() });
  }
  return new TerminalError(details);
}

/** `10.17.3.0` becomes `10.17.3.1`. */
function firstHost(network: string): string {
  return network.replace(/\d+$/, (last) => String(Number(last) + 1));
}
