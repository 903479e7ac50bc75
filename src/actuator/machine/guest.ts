/** The guest of a machine: seen only if the domain is provably ours, and asked to shut down before anything is taken from it. */

import { TransientError } from '../../errors.ts';
import { domainName, isOwnedBy, type MachineIdentity } from '../../intent/names.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { formatSeconds } from '../../system/duration.ts';
import type { ActuatorOptions, UpdateOptions, VerbOptions } from '../context/options.ts';

export type HostedMachine = MachineIdentity & { readonly uri: AllowedHost };

/** For a guest that is to be off and stays: there is no hurry. */
const DEFAULT_SHUTDOWN_MS = 60_000;

/** Undefined: there is no domain of this machine. */
export async function ownDomain(
  { libvirt }: ActuatorOptions,
  machine: HostedMachine,
): Promise<DomainObservation | undefined> {
  const observed = await libvirt(machine.uri).domain(domainName(machine));
  return observed && isOwnedBy(machine, observed.description) ? observed : undefined;
}

/** `timeoutMs` 0: asks nobody. `look`: for a caller who has just looked. */
export async function shutDown(
  options: ActuatorOptions,
  machine: HostedMachine,
  timeoutMs: number,
  { onEvent }: VerbOptions,
  look = () => ownDomain(options, machine),
): Promise<'off' | 'timeout'> {
  if (timeoutMs <= 0) return 'timeout';
  const observed = await look();
  if (observed?.state !== 'running') return 'off';
  onEvent?.({ type: 'shutdown_requested', timeoutMs });
  const outcome = await options.libvirt(machine.uri).shutdown(observed.name, { timeoutMs });
  if (outcome === 'timeout') onEvent?.({ type: 'shutdown_timeout' });
  return outcome;
}

/**
 * Brings a guest off that is to be, since the provider starts domains and never stops one (0.8.3): asks it to shut down, or powers it
 * off if `update` says so. Throws TransientError ShutdownTimeout.
 */
export async function stopGuest(
  options: ActuatorOptions,
  machine: HostedMachine,
  update: UpdateOptions,
): Promise<void> {
  const observed = await ownDomain(options, machine);
  if (update.powerOff) return observed && options.libvirt(machine.uri).powerOff(observed.name);
  if (observed?.state === 'paused' || observed?.state === 'pmsuspended')
    throw stillOn(`the guest is ${observed.state}, and so does not shut down`);
  const timeoutMs = update.shutdownTimeoutMs || DEFAULT_SHUTDOWN_MS;
  if ((await shutDown(options, machine, timeoutMs, update, async () => observed)) === 'off') return;
  throw stillOn(`the guest did not shut down within ${formatSeconds(timeoutMs)}`);
}

function stillOn(message: string): TransientError {
  return new TransientError({
    code: 'ShutdownTimeout',
    message,
    fix:
      'shut it down from inside, or power it off: caplv stop NAME --force (caplv reboot NAME --force), or in a cluster a value of the ' +
      'annotation that begins with "force"',
    retryAfterMs: 30_000,
  });
}
