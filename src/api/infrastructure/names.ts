/** How LibvirtMachines are called. Apart from their schema, of which not everybody who names one has need. */

import type { ResourceKind } from '../../apimachinery/object.ts';
import type { KindNames } from '../kinds/names.ts';
import { INFRASTRUCTURE_GROUP, INFRASTRUCTURE_VERSION } from './group.ts';

export const LIBVIRT_MACHINE: ResourceKind & KindNames = {
  group: INFRASTRUCTURE_GROUP,
  version: INFRASTRUCTURE_VERSION,
  kind: 'LibvirtMachine',
  plural: 'libvirtmachines',
  singular: 'libvirtmachine',
  shortNames: [],
  namespaced: true,
};
