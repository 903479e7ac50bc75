/** A machine that could not be made for a reason of its host is not bound to that host: the next reconcile places it anew. */

import { CaplvError, type ErrorCode, TransientError } from '../../errors.ts';
import type { MachineDependencies } from './dependencies.ts';
import { DisputedHost, letImageGo } from './prepare-host.ts';
import { locationOf, type PlacedMachine } from './scope/placed-machine.ts';
import type { MachineScope } from './scope/scope.ts';

/** What another host may well not have. */
const OF_THE_HOST: ReadonlySet<ErrorCode> = new Set([
  'InsufficientCapacity',
  'LibvirtPermissionDenied',
  'LibvirtUnreachable',
  'NetworkNotFound',
  'PoolNotFound',
]);

/**
 * Runs what makes the machine. If the host is at fault and there are others, what was made there is removed and the place given
 * up; the failure is then TransientError. Where it cannot be removed, the machine stays.
 */
export async function rescheduleOnHostFailure<T>(
  parts: MachineDependencies,
  scope: MachineScope,
  placed: PlacedMachine,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isOfTheHost =
      error instanceof DisputedHost || (error instanceof CaplvError && OF_THE_HOST.has(error.code));
    const isNew = scope.providerStatus.appliedHash === undefined;
    if (!isOfTheHost || !isNew || !parts.resolver.excludeHost(placed)) throw error;
    if (!(await isRemoved(parts, placed))) throw error;
    const { pinned } = scope.providerStatus;
    scope.clearPlacement();
    scope.clearError();
    scope.status.phase = 'Pending';
    await scope.save();
    if (pinned) await letImageGo(parts, scope, pinned);
    const { code, message } = error;
    const fix = 'nothing to do: it is tried on another host of the Cluster';
    throw new TransientError({ code, message, fix, cause: error, retryAfterMs: 500 });
  }
}

async function isRemoved({ actuator }: MachineDependencies, placed: PlacedMachine): Promise<boolean> {
  try {
    if (await actuator.wasBegun(placed.identity)) {
      await actuator.delete(locationOf(placed), { shutdownTimeoutMs: 0 });
    }
    return true;
  } catch (error) {
    if (error instanceof CaplvError) return false;
    throw error;
  }
}
