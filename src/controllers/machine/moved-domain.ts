/**
 * The domain of a Machine on another host of its Cluster than its own, where somebody has moved it (virsh migrate). A second one is
 * never made or started beside it: with shared storage both would write to the same disks.
 */

import { CaplvError, TransientError } from '../../errors.ts';
import { domainName } from '../../intent/names.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import { redactUri } from '../../libvirt/host-uri.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { MachineDependencies } from './dependencies.ts';
import type { Drift } from './repair/policy.ts';
import { locationOf, type PlacedMachine } from './scope/placed-machine.ts';
import type { MachineScope } from './scope/scope.ts';

/** True for drift that may come of a migration: the domain is gone, or was left behind as a definition. */
export function mayHaveMoved(drift: Drift, observed: DomainObservation | undefined): boolean {
  return drift.kind === 'lost' || (drift.kind === 'stopped' && observed?.reason === LEFT_BEHIND);
}

/** What libvirt says of a domain of which the definition stayed when its guest went to another host. */
const LEFT_BEHIND = 'migrated';

/**
 * Throws TransientError DomainElsewhere for a domain that is on another host; and, of a machine that was made, TransientError
 * LibvirtUnreachable while a host that may have it does not answer.
 */
export async function refuseSecondDomain(
  parts: MachineDependencies,
  scope: MachineScope,
  placed: PlacedMachine,
): Promise<void> {
  const wasMade = scope.providerStatus.appliedHash !== undefined;
  await scope.step('DomainReady', async () => {
    const { hosts, failures } = await otherHostsWithDomain(parts, placed);
    const [host] = hosts;
    if (host !== undefined) throw recorded(scope, domainElsewhere(placed, host));
    const [failure] = failures;
    if (!failure || !wasMade) return;
    const [uri, { message }] = failure;
    throw recorded(
      scope,
      new TransientError({
        code: 'LibvirtUnreachable',
        message: `the domain is not on its host, and caplv cannot check whether it was moved to ${redactUri(uri)}: ${message}`,
        fix: 'make the host answer, or remove it from the hosts of the Cluster if it is gone for good',
        retryAfterMs: 30_000,
      }),
    );
  });
}

/** URIs of the other hosts of its Cluster that have a domain of the machine, and of those that could not be asked. */
export async function otherHostsWithDomain(
  { actuator, resolver }: Pick<MachineDependencies, 'actuator' | 'resolver'>,
  placed: PlacedMachine,
): Promise<{
  readonly hosts: readonly AllowedHost[];
  readonly failures: readonly (readonly [string, CaplvError])[];
}> {
  const uris = resolver.otherHosts(placed);
  if (uris.length === 0) return { hosts: [], failures: [] };
  const location = locationOf(placed);
  // Where one host has several URIs, the domain is no other than its own.
  const own = await actuator.exists(location);
  if (own && own.reason !== LEFT_BEHIND) return { hosts: [], failures: [] };
  const hosts: AllowedHost[] = [];
  const failures: (readonly [string, CaplvError])[] = [];
  const ask = async (uri: AllowedHost) => {
    try {
      const found = await actuator.exists({ ...location, uri });
      if (found && !(own?.uuid === found.uuid && found.reason === LEFT_BEHIND)) hosts.push(uri);
    } catch (error) {
      if (!(error instanceof CaplvError)) throw error;
      failures.push([uri, error]);
    }
  };
  await Promise.all(uris.map(ask));
  return { hosts, failures };
}

export function domainElsewhere({ identity, site }: PlacedMachine, host: string): TransientError {
  const name = domainName(identity);
  const [here, there] = [redactUri(site.uri), redactUri(host)];
  return new TransientError({
    code: 'DomainElsewhere',
    message: `the domain ${name} is on ${there}, and the Machine belongs on ${here}: no second one is made or started there`,
    fix:
      `move it back (virsh -c '${there}' migrate --persistent --undefinesource ${name} URI), or undefine it there, and it is made ` +
      'again here on its disks; or delete the Machine, which removes it on both',
    retryAfterMs: 30_000,
  });
}

/** In `Drifted` as well, which tells of it for as long as the machine is looked at only. */
function recorded(scope: MachineScope, error: TransientError): TransientError {
  if (scope.providerStatus.appliedHash !== undefined)
    scope.setCondition('Drifted', 'True', 'NotRepaired', error.message);
  return error;
}
