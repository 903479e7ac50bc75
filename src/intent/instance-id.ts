/** Identifies the machine that an object stands for, also after `clusterctl move`, which gives the object another uid. */

import type { Machine } from '../api/kinds/machine.ts';
import { isInfrastructure } from './names.ts';

/** Reads the instance id from a providerID; undefined: it is not of this provider. */
export function instanceIdIn(providerID: string | undefined): string | undefined {
  return /^libvirt:\/\/\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(providerID ?? '')?.[1];
}

/** Returns the instance id of the machine that a LibvirtMachine with this providerID and uid stands for. */
export function instanceIdOfObject(
  providerID: string | undefined,
  uid: string | undefined,
): string | undefined {
  return instanceIdIn(providerID) ?? uid;
}

/**
 * Returns the uid by which a machine is named and marked on its host: of a LibvirtMachine the one in `spec.providerID`; of a Machine of
 * the original API, and before there is a providerID, that of the object.
 */
export function instanceIdOf({ metadata, spec }: Pick<Machine, 'metadata' | 'spec'>): string {
  const providerID = isInfrastructure(metadata) ? spec.providerID : undefined;
  return instanceIdOfObject(providerID, metadata.uid) ?? '';
}
