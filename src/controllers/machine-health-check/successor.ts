/** Whether another machine will be made when this one is deleted: only then may a MachineHealthCheck delete it. */

import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { MachineDeploymentKind } from '../../api/kinds/machine-deployment.ts';
import { MachineSetKind } from '../../api/kinds/machine-set.ts';
import { selects } from '../../api/kinds/machine-template.ts';
import { isPaused } from '../../api/schema/paused.ts';
import { controllerOf, isControlledBy } from '../../apimachinery/owner-reference.ts';
import type { Store } from '../../store/store.ts';
import { DISABLE_CREATE_ANNOTATION } from '../machine-set/controller.ts';

/** Undefined: there will be a successor; else why not, for people. */
export async function whyNoSuccessor(store: Store, machine: Machine): Promise<string | undefined> {
  const { namespace = 'default', labels } = machine.metadata;
  const owner = controllerOf(machine);
  if (!owner) return 'it has no owner that would create another';
  if (owner.kind !== MachineSetKind.kind) return `its owner is a ${owner.kind}, which may not create another`;
  const set = await store.get(MachineSetKind, { namespace, name: owner.name });
  const name = `MachineSet ${owner.name}`;
  if (!set || !isControlledBy(machine, set)) return `${name} is gone`;
  const { annotations = {}, deletionTimestamp } = set.metadata;
  if (deletionTimestamp) return `${name} is being deleted`;
  if (isPaused(set)) return `${name} is paused`;
  if (!selects(set.spec.selector, labels)) return `${name} no longer selects it`;
  const members = (await store.list(MachineKind, { namespace })).filter((one) => isControlledBy(one, set));
  if (members.length > (set.spec.replicas ?? 1))
    return `${name} has too many machines, and deletes some itself`;
  if (annotations[DISABLE_CREATE_ANNOTATION] === undefined) return undefined;
  return whyNoneOfDeployment(store, namespace, controllerOf(set)?.name);
}

/** An old set of strategy OnDelete makes none itself: the deployment does, in its current set. */
async function whyNoneOfDeployment(
  store: Store,
  namespace: string,
  name: string | undefined,
): Promise<string | undefined> {
  const deployment =
    name === undefined ? undefined : await store.get(MachineDeploymentKind, { namespace, name });
  if (!deployment) return 'its MachineSet must not create another';
  if (deployment.metadata.deletionTimestamp) return `MachineDeployment ${name} is being deleted`;
  return isPaused(deployment) || deployment.spec.paused ? `MachineDeployment ${name} is paused` : undefined;
}
