/** The Machine that a MachineSet makes from its template. */

import { API_VERSION } from '../../api/group.ts';
import { type Machine, MachineKind } from '../../api/machine.ts';
import { type MachineSet, MachineSetKind } from '../../api/machine-set.ts';
import { controllerReference } from '../../kube/owner.ts';

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
