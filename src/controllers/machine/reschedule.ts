/** A machine that could not be made for a reason of its host is not bound to that host: the next reconcile places it anew. */

import { CaplvError, type ErrorCode, TransientError } from '../../errors.ts';
import type { MachineDependencies } from './dependencies.ts';
import { DisputedHost, letImageGo } from './prepare-host.ts';
import type { MachineReconcile } from './reconcile.ts';
import { locationOf, type PlacedMachine } from './scope/placed-machine.ts';

/** What another host may well not have. */
const OF_THE_HOST: ReadonlySet<ErrorCode> = new Set([
  'InsufficientCapacity',
  'LibvirtPermissionDenied',
  'LibvirtUnreachable',
  'NetworkNotFound',
  'PoolNotFound',
]);

/**
 * Ends the repair, or the attempt to make a machine. If a host is at fault and there are others, what was made there is removed and the
 * place given up; then throws TransientError. Where it cannot be removed, the machine stays.
 */
export async function handleFailedChange(
  { parts, scope, placed, change, isNew }: MachineReconcile,
  error: unknown,
): Promise<void> {
  change.repair?.failed(error);
  const isOfTheHost =
    error instanceof DisputedHost || (error instanceof CaplvError && OF_THE_HOST.has(error.code));
  if (!isOfTheHost || !isNew || !parts.resolver.excludeHost(placed)) return;
  if (!(await isRemoved(parts, placed))) return;
  const { pinned } = scope.providerStatus;
  scope.clearPlacement();
  scope.clearError();
  scope.status.phase = 'Pending';
  // Before the next reconcile makes anything on another host, and before the image goes, which must not be pinned then.
  await scope.checkpoint();
  if (pinned) await letImageGo(parts, scope, pinned);
  const { code, message } = error;
  const fix = 'nothing to do: it is tried on another host of the Cluster';
  throw new TransientError({ code, message, fix, cause: error, retryAfterMs: 500 });
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
