/** What `caplv get` is asked for, and what it asks of hosts before all else is loaded: nothing is imported here that this does not need. */

import type { Machine } from '../../api/kinds/machine.ts';
import { isCalled, MACHINE } from '../../api/kinds/names.ts';
import type { ResourceKind } from '../../apimachinery/object.ts';
import { configOf } from '../../app/config.ts';
import { prefetchDomains } from '../../controllers/machine/ask-hosts.ts';
import { LibvirtConnections } from '../../libvirt/connections.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { LocalStore } from '../../store/local-store.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { Output } from '../output/objects.ts';
import type { ClusterFlags } from './cluster-session.ts';
import { listByName } from './list-by-name.ts';

export interface GetFlags extends ClusterFlags {
  readonly output?: Output;
  readonly allNamespaces?: boolean;
}

export interface DomainPrefetch {
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  /** What they were asked about, as it was before. */
  readonly machines: readonly Machine[];
}

/** Asks the hosts of the machines to be shown, if commands do so: in a cluster the controller does. Undefined: nothing was asked. */
export async function prefetchMachines(
  kindName: string,
  name: string | undefined,
  flags: GetFlags,
  signal: AbortSignal,
): Promise<DomainPrefetch | undefined> {
  if (flags.kubeconfig !== undefined || !isCalled(MACHINE, kindName)) return undefined;
  const { stateDir, namespace, policy } = configOf(flags);
  const store = await LocalStore.open(stateDir);
  const machines = await listByName(
    store,
    MACHINE as ResourceKind<Machine>,
    flags.allNamespaces ? {} : { namespace },
    name,
    // Named with the rest of what is shown.
    () => {},
  );
  const libvirt = new LibvirtConnections().of;
  prefetchDomains(policy, libvirt, machines, { signal });
  return { libvirt, machines };
}
