/** The first phases of a Machine's reconcile: what it asks for, and what there is of it. */

import { isPaused } from '../../api/schema/paused.ts';
import type { Stop } from '../shared/phases.ts';
import { withObservedMacs } from './addresses/observed-macs.ts';
import { cachedDomain, observeDomain } from './observe-domain.ts';
import { type MachineReconcile, STALE } from './reconcile.ts';

/** Takes the finalizer. */
export async function claimMachine({ parts, scope, isNew }: MachineReconcile): Promise<Stop | undefined> {
  await scope.claim(false);
  // Claimed by what was known, and it is no longer so.
  if (scope.machine.metadata.deletionTimestamp || isPaused(scope.machine)) return STALE;
  if (isNew) parts.actuator.warm();
  return undefined;
}

/** Finds the Cluster and the host. */
export async function placeMachine(reconcile: MachineReconcile): Promise<undefined> {
  const { parts, scope } = reconcile;
  reconcile.placed = await parts.resolver.place(scope.machine);
  // Throws before anything asks a host that does not answer.
  cachedDomain(parts, reconcile.placed);
}

/** Reads the bootstrap data. Comes before all else that a manifest names, as it refuses what that may not name. */
export async function buildSeed(reconcile: MachineReconcile): Promise<undefined> {
  reconcile.seed = await reconcile.parts.resolver.seed(reconcile.placed);
  reconcile.scope.setCondition('BootstrapDataReady', 'True', 'AsSpecified');
}

export async function resolveIntent(reconcile: MachineReconcile): Promise<undefined> {
  reconcile.resolved = await reconcile.parts.resolver.resolve(reconcile.placed, reconcile.seed);
}

/** Observes the domain of a machine that was made. */
export async function observeHost(reconcile: MachineReconcile): Promise<undefined> {
  const { parts, scope, placed, resolved, isNew } = reconcile;
  if (isNew) return;
  reconcile.observed = cachedDomain(parts, placed) ?? (await observeDomain(parts, placed));
  scope.setCondition('HostReady', 'True', 'AsSpecified');
  reconcile.resolved = withObservedMacs(resolved, reconcile.observed);
  if (reconcile.resolved !== resolved) scope.keepAddresses(reconcile.resolved.pinned);
}
