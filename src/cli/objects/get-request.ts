/** What `caplv get` is asked for, and what it asks of hosts before all else is loaded: nothing is imported here that this does not need. */

import type { Machine } from '../../api/kinds/machine.ts';
import { isCalled, MACHINE } from '../../api/kinds/names.ts';
import type { ResourceKind } from '../../apimachinery/object.ts';
import { configOf } from '../../app/config.ts';
import { prefetchDomains } from '../../controllers/machine/ask-hosts.ts';
import { LibvirtConnections } from '../../libvirt/connections.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { LocalStore } from '../../store/local-store.ts';
import type { ListOptions } from '../../store/store.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { ObjectRequest } from '../names/object-arguments.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { listByName } from './list-by-name.ts';

/** Which objects of the kinds that are named. */
export interface SelectionFlags extends ClusterFlags {
  readonly allNamespaces?: boolean;
  /** Kubernetes label selector. */
  readonly selector?: string;
}

export interface GetFlags extends SelectionFlags {
  /** A format, with what follows its `=`. */
  readonly output?: string;
  readonly headers?: boolean;
  readonly showLabels?: boolean;
  /** JSONPath. */
  readonly sortBy?: string;
  readonly ignoreNotFound?: boolean;
  readonly watch?: boolean;
  readonly watchOnly?: boolean;
  readonly outputWatchEvents?: boolean;
}

export interface DomainPrefetch {
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  /** What they were asked about, as it was before. */
  readonly machines: readonly Machine[];
}

/** Where a store is to look. `namespace`: of the session. */
export function listOptions(
  { allNamespaces, selector }: SelectionFlags,
  namespace: string,
): Omit<ListOptions, 'onUnreadable'> {
  return {
    ...(allNamespaces ? {} : { namespace }),
    ...(selector === undefined ? {} : { labelSelector: selector }),
  };
}

/** Asks the hosts of the machines to be shown, if commands do so: in a cluster the controller does. Undefined: nothing was asked. */
export async function prefetchMachines(
  requests: readonly ObjectRequest[],
  flags: GetFlags,
  signal: AbortSignal,
): Promise<DomainPrefetch | undefined> {
  const request = requests.find(({ kindName }) => isCalled(MACHINE, kindName));
  if (flags.kubeconfig !== undefined || !request) return undefined;
  const { stateDir, namespace, policy } = configOf(flags);
  const store = await LocalStore.open(stateDir);
  const machines = await listByName(
    store,
    MACHINE as ResourceKind<Machine>,
    listOptions(flags, namespace),
    request.names,
    // Named with the rest of what is shown.
    () => {},
  );
  const libvirt = new LibvirtConnections().of;
  prefetchDomains(policy, libvirt, machines, { signal });
  return { libvirt, machines };
}
