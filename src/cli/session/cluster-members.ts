/** What a Cluster that is deleted waits for, and what `--cascade` deletes with it. */

import { ClusterKind } from '../../api/kinds/cluster.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { isOfCluster, type Machine, MachineKind, settledCluster } from '../../api/kinds/machine.ts';
import { MachineDeploymentKind } from '../../api/kinds/machine-deployment.ts';
import { MachineSetKind } from '../../api/kinds/machine-set.ts';
import type { ObjectKey, ObjectMeta } from '../../apimachinery/object.ts';
import { formatKey } from '../../apimachinery/object-key.ts';
import type { Store } from '../../store/store.ts';
import type { Streams } from '../output/streams.ts';
import type { DeleteFlags, Target } from './delete-targets.ts';

/** How many are named in a message. */
const SHOWN = 5;

/** `targets`, after the members of the Clusters among them if `cascade` asks for those. */
export async function withMembers(
  store: Store,
  targets: readonly Target[],
  { cascade = false }: Pick<DeleteFlags, 'cascade'>,
): Promise<Target[]> {
  return cascade ? [...(await membersOf(store, targets)), ...targets] : [...targets];
}

/** Says of each Cluster among `targets`, which are all to be deleted, what it waits for beside them. */
export async function sayWaits(store: Store, targets: readonly Target[], terminal: Streams): Promise<void> {
  for (const target of targets) {
    if (target.kind !== ClusterKind) continue;
    const wait = await waitOf(store, target, targets);
    if (wait !== undefined) terminal.say(wait);
  }
}

/** Machines of the Clusters among `targets`, and before them what would make others in their place. */
async function membersOf(store: Store, targets: readonly Target[]): Promise<Target[]> {
  const members: Target[] = [];
  for (const { key } of targets.filter(({ kind }) => kind === ClusterKind)) {
    const { namespace } = key;
    const isOnly = (await store.list(ClusterKind, { namespace })).length === 1;
    // What names no Cluster, and was not made yet, would be made for the only one.
    const isMemberMachine = (machine: Machine) =>
      isOfCluster(machine, key) || (isOnly && !settledCluster(machine));
    const isMember = (metadata: Partial<ObjectMeta> | undefined, spec: object) =>
      isMemberMachine({ metadata: { ...metadata, namespace }, spec } as unknown as Machine);
    for (const { metadata, spec } of await store.list(MachineDeploymentKind, { namespace })) {
      const { template } = spec;
      if (isMember(template.metadata, template.spec)) members.push(targetOf(MachineDeploymentKind, metadata));
    }
    for (const { metadata, spec } of await store.list(MachineSetKind, { namespace })) {
      const { template } = spec;
      if (isMember(template.metadata, template.spec)) members.push(targetOf(MachineSetKind, metadata));
    }
    const machines = (await store.list(MachineKind, { namespace })).filter(isMemberMachine);
    members.push(...machines.map(({ metadata }) => targetOf(MachineKind, metadata)));
  }
  const named = new Set(targets.map(nameOf));
  return members.filter((one) => !named.has(nameOf(one)));
}

/** In words, what a Cluster waits for beside `targets`; undefined: nothing. */
async function waitOf(
  store: Store,
  cluster: Target,
  targets: readonly Target[],
): Promise<string | undefined> {
  const named = new Set(targets.map(nameOf));
  const machines = (await machinesOf(store, cluster.key)).filter(
    ({ metadata }) => !named.has(nameOf(targetOf(MachineKind, metadata))) && !metadata.deletionTimestamp,
  );
  if (machines.length === 0) return undefined;
  const names = machines.map(({ metadata }) => metadata.name);
  const shown = names.length > SHOWN ? [...names.slice(0, SHOWN), '…'] : names;
  const count = names.length === 1 ? '1 Machine' : `${names.length} Machines`;
  return `cluster/${cluster.key.name} waits for ${count}: ${shown.join(', ')}; to delete them, too: caplv delete cluster ${cluster.key.name} --cascade`;
}

async function machinesOf(store: Store, cluster: ObjectKey): Promise<Machine[]> {
  const machines = await store.list(MachineKind, { namespace: cluster.namespace });
  return machines.filter((machine) => isOfCluster(machine, cluster));
}

function targetOf(kind: ApiKind, { namespace = 'default', name }: ObjectMeta): Target {
  return { kind, key: { namespace, name } };
}

function nameOf({ kind, key }: Target): string {
  return `${kind.kind} ${formatKey(key)}`;
}
