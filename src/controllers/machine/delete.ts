/** The phases of a Machine's end: its guest is asked to shut down, all that is its own goes, and the finalizer last. */

import type { ActuatorEvent } from '../../actuator/context/options.ts';
import type { Pinned } from '../../api/kinds/machine.ts';
import { formatKey } from '../../apimachinery/object-key.ts';
import { CaplvError, TerminalError, TransientError } from '../../errors.ts';
import { domainName, volumeName } from '../../intent/names.ts';
import { formatSeconds } from '../../system/duration.ts';
import { CompletedParts } from '../shared/event-messages.ts';
import { isGivenUp, withRecoveryHint } from '../shared/give-up.ts';
import type { Stop } from '../shared/phases.ts';
import { type MachineDependencies, shutdownTimeoutMs } from './dependencies.ts';
import { lockReporter } from './lock-condition.ts';
import { otherHostsWithDomain } from './moved-domain.ts';
import { isOffHost } from './node-departure.ts';
import { letImageGo } from './prepare-host.ts';
import type { MachineReconcile } from './reconcile.ts';
import { locationOf, type PlacedMachine } from './scope/placed-machine.ts';
import type { MachineScope } from './scope/scope.ts';

/** Says that it ends. */
export async function beginDeletion({ scope }: MachineReconcile): Promise<undefined> {
  scope.status.phase = 'Deleting';
  scope.setOperation('Delete', 'Processing', 'deletion was requested');
  scope.setCondition('DomainReady', 'False', 'Deleting');
  // A guest may take long to shut down, and what another process has pinned meanwhile must not be left behind: that is a Conflict here.
  await scope.checkpoint();
}

/** Removes all that is the machine's own on its host. */
export async function leaveHost({ parts, scope }: MachineReconcile): Promise<undefined> {
  const pinned = scope.providerStatus.pinned;
  // Never pinned: nothing was ever made, not even asked for.
  if (!pinned || isOffHost(scope)) return;
  try {
    await removeFromHost(parts, scope, pinned);
    const { imageSource: _, ...rest } = pinned;
    scope.setProviderStatus({ pinned: rest });
    // Before the image goes, and the object: afterwards nothing would tell that the host has to be looked at.
    await scope.checkpoint();
    await letImageGo(parts, scope, pinned);
  } catch (error) {
    if (!(error instanceof CaplvError) || !isGivenUp(scope.machine)) throw error;
    await giveUp(parts, scope, pinned, error);
  }
}

/** Gives the finalizer back, and with it the object. */
export async function releaseMachine({ parts, scope }: MachineReconcile): Promise<Stop> {
  await parts.beforeRelease?.(scope.key);
  await scope.release();
  return { isStale: true };
}

async function removeFromHost(
  parts: MachineDependencies,
  scope: MachineScope,
  { uri }: Pinned,
): Promise<void> {
  const { actuator, recorder, resolver } = parts;
  const started = performance.now();
  const placed = await scope.step('HostReady', () => resolver.placeMade(scope.machine, uri));
  const completed = new CompletedParts();
  await scope.step('DomainReady', async () => {
    const shutdownMs = shutdownTimeoutMs(parts, placed);
    const remove = async () => {
      await removeMoved(parts, placed, shutdownMs);
      const reportLock = lockReporter(parts, scope, 'DomainReady');
      const onEvent = (event: ActuatorEvent) => {
        completed.take(event);
        reportLock(event);
      };
      return actuator.delete(locationOf(placed), { shutdownTimeoutMs: shutdownMs, onEvent });
    };
    return remove().catch((error) => {
      const told = withRecoveryHint(error, scope.machine);
      // What was last seen of the host comes first in Ready, and may be of long before.
      if (isOfHost(told)) scope.fail('HostReady', told);
      else scope.setCondition('HostReady', 'True', 'AsSpecified');
      throw told;
    });
  });
  const took = formatSeconds(performance.now() - started);
  const message = `took ${took}${completed.text}`;
  recorder.event(scope.machine, { type: 'Normal', reason: 'Deleted', message });
}

/** A host that cannot be asked stops no deletion: the sweep for leftovers finds what is there when it is back. */
async function removeMoved(
  parts: MachineDependencies,
  placed: PlacedMachine,
  shutdownTimeoutMs: number,
): Promise<void> {
  const { actuator } = parts;
  for (const uri of (await otherHostsWithDomain(parts, placed)).hosts) {
    await actuator.removeMovedDomain({ ...placed.identity, uri }, { shutdownTimeoutMs });
  }
}

function isOfHost(error: unknown): error is TerminalError | TransientError {
  const isTold = error instanceof TerminalError || error instanceof TransientError;
  return isTold && (error.code === 'LibvirtUnreachable' || error.code === 'LibvirtPermissionDenied');
}

/**
 * A person said that this is to end, whatever is left. Written down for who cleans up there: the mark in the domain's description
 * and the uid in the names of volumes prove whose they were, and the sweep for leftovers finds them when the host is back.
 */
async function giveUp(
  { actuator, recorder, log }: MachineDependencies,
  scope: MachineScope,
  { uri }: Pinned,
  error: CaplvError,
): Promise<void> {
  const names = `domain ${domainName(scope.identity)}, volumes ${volumeName(scope.identity, '*')}`;
  const message = `what may be left on ${uri}: ${names}; it was given up because: ${error.message}`;
  recorder.event(scope.machine, { type: 'Warning', reason: 'GivenUp', message });
  log?.warn('Abandoned what a Machine has on its host', {
    machine: formatKey(scope.key),
    host: uri,
    names,
    error,
  });
  // Of another uid than the next Machine of this name, to which it would say nothing true.
  await actuator.forget(scope.identity);
}
