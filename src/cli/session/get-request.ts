/** What `caplv get` is asked for. Types only: nothing is loaded because of this file. */

import type { Machine } from '../../api/kinds/machine.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { Output } from '../output/objects.ts';
import type { ClusterFlags } from './cluster-session.ts';

export interface GetFlags extends ClusterFlags {
  readonly output?: Output;
  readonly allNamespaces?: boolean;
}

export interface DomainPrefetch {
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  /** What they were asked about, as it was before. */
  readonly machines: readonly Machine[];
}
