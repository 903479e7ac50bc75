/** The Machine that a MachineSet makes from its template. */

import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { type MachineSet, MachineSetKind } from '../../api/kinds/machine-set.ts';
import { API_VERSION } from '../../api/schema/group.ts';
import { controllerReference } from '../../apimachinery/owner-reference.ts';

export function machineFromTemplate(set: MachineSet, name: string): Machine {
  const { namespace = 'default' } = set.metadata;
  const { metadata, spec } = set.spec.template;
  const ownerReferences = [controllerReference(MachineSetKind, set)];
  return {
    apiVersion: API_VERSION,
    kind: MachineKind.kind,
    metadata: { ...metadata, name, namespace, ownerReferences },
    spec,
  };
}
