/** Reads the domains of many machines with one question to each host. */

import type { Machine } from '../../api/kinds/machine.ts';
import { domainName } from '../../intent/names.ts';
import type { Policy } from '../../intent/policy.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { RunOptions } from '../../libvirt/virsh.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';

/** Asks each allowed host once for the domains of all these machines, of each of which the caller is about to look at its own. */
export function prefetchDomains(
  policy: Policy,
  libvirt: (uri: AllowedHost) => Libvirt,
  machines: readonly Machine[],
  options?: RunOptions,
): void {
  const hostOf = (machine: Machine) => policy.host(uriOf(machine) ?? '');
  for (const [host, here] of Map.groupBy(machines.filter(isObservable), hostOf)) {
    if (host === undefined) continue;
    const names = here.map(({ metadata: { namespace = 'default', name } }) =>
      domainName({ namespace, name }),
    );
    libvirt(host).ask(names, options);
  }
}

/** False for a machine of which nothing is on a host yet, and for one that is on its way out. */
export function isObservable(machine: Machine): boolean {
  return uriOf(machine) !== undefined && !machine.metadata.deletionTimestamp;
}

function uriOf({ status }: Machine): string | undefined {
  return status?.providerStatus?.pinned?.uri;
}
