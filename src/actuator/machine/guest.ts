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

/** The provider starts domains and never stops one (0.8.3), so a guest that is to be off is asked. */
export async function stopGuest(
  options: ActuatorOptions,
  machine: HostedMachine,
  update: UpdateOptions,
): Promise<void> {
  const timeoutMs = update.shutdownTimeoutMs || DEFAULT_SHUTDOWN_MS;
  if ((await shutDown(options, machine, timeoutMs, update)) === 'off') return;
  throw new TransientError({
    code: 'LibvirtError',
    message: `the guest did not shut down within ${formatSeconds(timeoutMs)}`,
    fix: `shut it down from inside, or power it off: virsh destroy ${domainName(machine)}`,
    retryAfterMs: 30_000,
  });
}
