import type { Machine } from '../../api/kinds/machine.ts';
import { domainName } from '../../intent/names.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { RunOptions } from '../../libvirt/virsh.ts';

/** Asks each host once for the domains of all these machines, of each of which the caller is about to look at its own. */
export function askHosts(
  libvirt: (uri: string) => Libvirt,
  machines: readonly Machine[],
  options?: RunOptions,
): void {
  const byHost = Map.groupBy(machines.filter(isToBeLookedAt), uriOf);
  for (const [uri, here] of byHost) {
    const names = here.map(({ metadata: { namespace = 'default', name } }) =>
      domainName({ namespace, name }),
    );
    libvirt(uri ?? '').ask(names, options);
  }
}

/** False for a machine of which nothing is on a host yet, and for one that is on its way out. */
export function isToBeLookedAt(machine: Machine): boolean {
  return uriOf(machine) !== undefined && !machine.metadata.deletionTimestamp;
}

function uriOf({ status }: Machine): string | undefined {
  return status?.providerStatus?.pinned?.uri;
}
