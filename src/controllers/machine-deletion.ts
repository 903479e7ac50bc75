/** The end of a Machine: its guest is asked to shut down, all that is its own goes, and the finalizer last. */

import type { Machine, Pinned } from '../api/machine.ts';
import { Terminal, Transient } from '../errors.ts';
import { type MachineParts, shutdownTimeoutMs } from './machine-parts.ts';
import type { MachineScope } from './machine-scope.ts';
import { locationOf, type PlacedMachine } from './placed-machine.ts';

export async function deleteMachine(parts: MachineParts, scope: MachineScope): Promise<void> {
  const { actuator, recorder, onProgress } = parts;
  scope.status.phase = 'Deleting';
  scope.setOperation('Delete', 'Processing', 'deletion was asked for');
  scope.setCondition('DomainReady', 'False', 'Deleting');
  scope.summarize();
  await scope.save();

  const pinned = scope.providerStatus.pinned;
  // Never pinned: nothing was ever made, not even asked for.
  if (pinned) {
    const started = Date.now();
    const placed = await scope.step('HostReady', () => placeForDeletion(parts, scope.machine));
    await scope.step('DomainReady', () =>
      actuator.delete(locationOf(placed), {
        shutdownTimeoutMs: shutdownTimeoutMs(parts, placed),
        onEvent: (event) => onProgress?.(scope.key, event),
      }),
    );
    const took = `${((Date.now() - started) / 1_000).toFixed(1)} s`;
    recorder.event(scope.machine, { type: 'Normal', reason: 'Deleted', message: `took ${took}` });
  }
  if (pinned) await letImageGo(parts, scope, pinned);
  await scope.release();
}

/** Before the object goes: afterwards nothing would tell that the host has to be looked at. */
async function letImageGo(
  { hosts, recorder, onProgress }: MachineParts,
  scope: MachineScope,
  { imageSource: _, ...pinned }: Pinned,
): Promise<void> {
  scope.setProviderStatus({ pinned });
  await scope.save();
  try {
    await hosts.ensure(pinned.uri, { onEvent: (event) => onProgress?.(scope.key, event) });
  } catch (error) {
    if (!(error instanceof Terminal)) throw error;
    // Another's fault (a network that may not be replaced), and it waits for a person: the next that uses the host goes on.
    recorder.event(scope.machine, { type: 'Warning', reason: error.code, message: error.message });
  }
}

/** A machine can go even when its Cluster is gone already. */
async function placeForDeletion({ resolver }: MachineParts, machine: Machine): Promise<PlacedMachine> {
  return resolver.place(machine).catch((error) => {
    if (!(error instanceof Transient) || error.code !== 'NotFound') throw error;
    const { clusterName: _, ...spec } = machine.spec;
    return resolver.place({ ...machine, spec, metadata: { ...machine.metadata, labels: {} } });
  });
}
