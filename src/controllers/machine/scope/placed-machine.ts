/** Joins a Machine with the host and the names that it was resolved to. */

import type { MachineLocation } from '../../../actuator/machine/location.ts';
import type { Cluster } from '../../../api/kinds/cluster.ts';
import type { Machine } from '../../../api/kinds/machine.ts';
import type { LibvirtMachineProviderSpec } from '../../../api/kinds/machine-provider-spec.ts';
import { interfacesOf, ownVolumes, poolOf } from '../../../intent/machine-intent.ts';
import { type MachineIdentity, objectName } from '../../../intent/names.ts';
import { reservedAddresses } from '../../../intent/reservations.ts';
import type { Site } from '../../../intent/site.ts';

/** A Machine whose place is known. */
export interface PlacedMachine {
  readonly machine: Machine;
  readonly identity: MachineIdentity;
  readonly cluster: Cluster | undefined;
  readonly spec: LibvirtMachineProviderSpec;
  /** Path of the provider spec as its author wrote it, for errors. */
  readonly path: string;
  readonly site: Site;
}

/** Where all that is this machine's lies on its host. */
export function locationOf({ machine, identity, site, spec }: PlacedMachine): MachineLocation {
  const pools = [poolOf(spec, site), ...(spec.disks ?? []).flatMap((disk) => disk.pool ?? [])];
  const pinned = machine.status?.providerStatus?.pinned;
  const name = objectName(identity);
  const interfaces = interfacesOf(identity, spec, site, pinned?.macs);
  const reservations = pinned?.reservations ?? reservedAddresses({ name, interfaces });
  return { ...identity, uri: site.uri, pools, volumes: ownVolumes(identity, spec, site), reservations };
}
