/** Carries requests for the power of a Machine into its desired state, and keeps in its status what became of them. */

import type { UpdateOptions } from '../../../actuator/context/options.ts';
import type { Machine } from '../../../api/kinds/machine.ts';
import type { LibvirtMachineProviderSpec } from '../../../api/kinds/machine-provider-spec.ts';
import { type PowerRequest, rebootRequest, stopRequest } from '../../../api/schema/power.ts';
import type { DomainObservation } from '../../../libvirt/domain.ts';
import type { PlacedMachine } from '../scope/placed-machine.ts';
import type { MachineScope } from '../scope/scope.ts';

/** Returns the spec with the power that is asked for: a machine that is to be stopped does not run. */
export function withRequestedPower(
  spec: LibvirtMachineProviderSpec,
  machine: Machine,
): LibvirtMachineProviderSpec {
  return spec.running && stopRequest(machine) !== undefined ? { ...spec, running: false } : spec;
}

/** Returns the request for a restart that is not carried out yet; undefined: there is none, or the machine is not to run. */
export function pendingReboot(scope: MachineScope, { spec }: PlacedMachine): PowerRequest | undefined {
  const request = rebootRequest(scope.machine);
  const { reboot } = scope.providerStatus;
  const isDone = request?.value === reboot?.request && reboot?.state === 'Done';
  return request === undefined || isDone || !spec.running ? undefined : request;
}

/** Says in a few words what was asked for; undefined: nothing of the power. */
export function requestedPower(
  scope: MachineScope,
  placed: PlacedMachine,
  observed: DomainObservation | undefined,
): string | undefined {
  const isOn = observed?.state === 'running';
  if (isOn && stopRequest(scope.machine)) return 'a stop was requested';
  if (pendingReboot(scope, placed)) return 'a restart was requested';
  const wasStopped = scope.condition('AddressesReady')?.reason === 'Stopped';
  return placed.spec.running && !isOn && wasStopped ? 'a start was requested' : undefined;
}

/** What a change may do to the power of the guest. */
export function powerOptions(
  scope: MachineScope,
  placed: PlacedMachine,
): Pick<UpdateOptions, 'powerOff' | 'restart'> {
  const request = pendingReboot(scope, placed);
  if (request === undefined) return { powerOff: stopRequest(scope.machine)?.isForced ?? false };
  const { reboot } = scope.providerStatus;
  // A process that ended after the guest was off is followed by one that only starts it.
  if (reboot?.request === request.value && reboot.state === 'ShutDown') return {};
  const onOff = async () => {
    recordReboot(scope, request, 'ShutDown');
    await scope.checkpoint();
  };
  return { powerOff: request.isForced, restart: { onOff } };
}

/** Records what became of requests once a change has succeeded. `wasOff`: the machine was there before it, and did not run. */
export function recordPower(scope: MachineScope, { spec }: PlacedMachine, wasOff: boolean): void {
  const request = rebootRequest(scope.machine);
  const isReboot = request !== undefined && request.value !== doneReboot(scope);
  if (isReboot) recordReboot(scope, request, 'Done');
  if (spec.running && (isReboot || wasOff))
    scope.setProviderStatus({ lastStarted: new Date().toISOString() });
}

/** A machine that does not run has no restart left to do: it starts later than that was asked for. */
export function dropReboot(scope: MachineScope, { spec }: PlacedMachine): void {
  const request = rebootRequest(scope.machine);
  if (request && !spec.running && request.value !== doneReboot(scope)) recordReboot(scope, request, 'Done');
}

function doneReboot({ providerStatus: { reboot } }: MachineScope): string | undefined {
  return reboot?.state === 'Done' ? reboot.request : undefined;
}

function recordReboot(scope: MachineScope, { value }: PowerRequest, state: 'ShutDown' | 'Done'): void {
  scope.setProviderStatus({ reboot: { request: value, state, time: new Date().toISOString() } });
}
