/** Machines as all controllers see them, whichever API they are of. */

import { clusterNameOf, type Machine } from '../../api/kinds/machine.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { Informer } from '../../kube/runtime/informer.ts';
import { hostIdentity } from '../../libvirt/host-uri.ts';

/** Machines as watches show them, whichever API they are of. */
export interface MachineView {
  readonly get: (key: ObjectKey) => Machine | undefined;
  readonly list: (namespace?: string) => Machine[];
  /** Those that were put on the host with this identity; see `hostIdentity`. */
  readonly onHost: (identity: string) => Machine[];
  /** Those that belong to the Cluster of that name, of the API of each. */
  readonly ofCluster: (cluster: ObjectKey) => Machine[];
}

export function machineViewOf(machines: Informer<Machine>): MachineView {
  return {
    get: (key) => machines.get(key),
    list: (namespace) => machines.list(namespace),
    onHost: (identity) => machines.byIndex('host', identity),
    ofCluster: ({ namespace, name }) =>
      machines.list(namespace).filter((machine) => clusterNameOf(machine) === name),
  };
}

/** Index `host` of whatever has the status of a Machine. */
export function hostIds({ status }: Pick<Machine, 'status'>): string[] {
  const pinned = status?.providerStatus?.pinned;
  return pinned ? [hostIdentity(pinned.uri)] : [];
}
