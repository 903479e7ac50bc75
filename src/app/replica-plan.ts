/**
 * What MachineSets and MachineDeployments would come to: their own controllers run over a store that keeps nothing, with machines
 * that become ready and go at once, until there is nothing left to do. So there is no second logic that could say otherwise.
 */

import { isDeepStrictEqual } from 'node:util';
import { admit } from '../api/kinds/admission.ts';
import { type Machine, MachineKind } from '../api/kinds/machine.ts';
import { type MachineDeployment, MachineDeploymentKind } from '../api/kinds/machine-deployment.ts';
import { type MachineSet, MachineSetKind } from '../api/kinds/machine-set.ts';
import { isPaused, PAUSED_ANNOTATION } from '../api/schema/paused.ts';
import { type Condition, setCondition } from '../apimachinery/conditions.ts';
import { isMapping } from '../apimachinery/mapping.ts';
import type { KubeObject, ResourceKind } from '../apimachinery/object.ts';
import { formatKey, keyOf } from '../apimachinery/object-key.ts';
import { controllerOf, isControlledBy } from '../apimachinery/owner-reference.ts';
import { MachineDeploymentReconciler } from '../controllers/machine-deployment/controller.ts';
import { setOfTemplate } from '../controllers/machine-deployment/revision.ts';
import { MachineSetReconciler } from '../controllers/machine-set/controller.ts';
import { areNodes, isReady } from '../controllers/shared/availability.ts';
import { type DryRunBase, DryRunStore } from '../store/dry-run-store.ts';

export interface MachineChange {
  readonly action: 'create' | 'replace' | 'delete' | 'adopt' | 'release';
  readonly name: string;
  /** Of `replace`: the machine that takes its place. */
  readonly successor?: string;
}

export interface ReplicaPlan {
  readonly kind: 'MachineSet' | 'MachineDeployment';
  readonly name: string;
  /** Of the object itself. */
  readonly action: 'none' | 'create' | 'update';
  /** Paths of the fields of its spec that change; empty for a new one. */
  readonly fields: readonly string[];
  readonly machines: readonly MachineChange[];
  /** What else a person has to know: machines that keep an older template, a set that is frozen. */
  readonly notes: readonly string[];
  /** A new machine of each template, to be planned in place of all of them. */
  readonly samples: readonly Machine[];
}

/** Objects of the kinds that make machines. */
export function hasReplicas({ kind }: KubeObject): boolean {
  return kind === MachineSetKind.kind || kind === MachineDeploymentKind.kind;
}

/**
 * The plan of one MachineSet or MachineDeployment. `stored`: as it is now; undefined: it is new. `base`: the objects as they are
 * once all manifests are applied. Throws Terminal for what its controller would refuse.
 */
export async function planReplicas(
  base: DryRunBase,
  stored: KubeObject | undefined,
  object: KubeObject,
): Promise<ReplicaPlan> {
  const { namespace } = keyOf(object);
  const dryRun = new DryRunStore(base);
  const owner = await dryRun.get(kindOf(object), keyOf(object));
  if (!owner) throw new Error(`the dry run has no ${object.kind} ${formatKey(keyOf(object))}`);
  const setsBefore = await setsOf(dryRun, owner);
  const before = await dryRun.list(MachineKind, { namespace });
  await settle(dryRun, owner);
  const setsAfter = await setsOf(dryRun, owner);
  const after = await dryRun.list(MachineKind, { namespace });

  const members = (machines: readonly Machine[], sets: readonly MachineSet[]) =>
    machines.filter((machine) => sets.some((set) => isControlledBy(machine, set)));
  const [mineBefore, mineAfter] = [members(before, setsBefore), members(after, setsAfter)];
  const fields = stored ? changedFields(specOf(stored), specOf(owner)) : [];
  const samples = setsAfter.flatMap((set) =>
    members(mineAfter, [set])
      .filter((machine) => !find(before, machine))
      .slice(0, 1),
  );
  const older = mineAfter.filter((machine) => isOlder(owner, setsAfter, fields, machine, before));
  return {
    kind: owner.kind as ReplicaPlan['kind'],
    name: owner.metadata.name,
    action: stored ? (fields.length > 0 ? 'update' : 'none') : 'create',
    fields,
    machines: machineChanges({ before, after, mineBefore, mineAfter }),
    notes: notesOf(owner, older, setsAfter),
    samples,
  };
}

/** Runs the controllers until they have nothing left to do. */
async function settle(store: DryRunStore, owner: KubeObject): Promise<void> {
  const options = { store, recorder: { event: () => {} } };
  const deployments = new MachineDeploymentReconciler(options);
  const sets = new MachineSetReconciler(options);
  for (;;) {
    const before = store.version;
    if (owner.kind === MachineDeploymentKind.kind) await deployments.reconcile(keyOf(owner));
    for (const set of await setsOf(store, owner)) await sets.reconcile(keyOf(set));
    const members = await membersOf(store, owner);
    // By their own time: what is new gets ready before the old that is not is given up on.
    const isNew = ({ metadata }: Machine) => metadata.resourceVersion?.startsWith('dry-run-') ?? false;
    await passTime(store, members.filter(isNew));
    if (store.version !== before) continue;
    await passTime(store, members);
    if (store.version === before) return;
  }
}

/** Machines that are deleted go, the others become ready, and have been for long. */
async function passTime(store: DryRunStore, machines: readonly Machine[]): Promise<void> {
  const expectsNode = areNodes(machines);
  for (const machine of machines) {
    const key = keyOf(machine);
    if (machine.metadata.deletionTimestamp) await store.remove(MachineKind, key);
    else if (!isReady(machine, expectsNode)) {
      const ready = { status: 'True', reason: 'AsSpecified', message: '' } as const;
      const conditions = ['NodeReady', 'Ready'].reduce<Condition[]>(
        (known, type) => setCondition(known, { ...ready, type }, '1970-01-01T00:00:00Z'),
        [],
      );
      await store.applyStatus(MachineKind, key, { ...machine.status, conditions });
    }
  }
}

async function setsOf(store: DryRunStore, owner: KubeObject): Promise<MachineSet[]> {
  const key = keyOf(owner);
  if (owner.kind === MachineSetKind.kind) {
    const set = await store.get(MachineSetKind, key);
    return set ? [set] : [];
  }
  const sets = await store.list(MachineSetKind, { namespace: key.namespace });
  return sets.filter((set) => isControlledBy(set, owner));
}

async function membersOf(store: DryRunStore, owner: KubeObject): Promise<Machine[]> {
  const sets = await setsOf(store, owner);
  const machines = await store.list(MachineKind, { namespace: keyOf(owner).namespace });
  const uids = new Set(sets.map(({ metadata }) => metadata.uid));
  return machines.filter((machine) => uids.has(controllerOf(machine)?.uid));
}

function machineChanges(machines: {
  readonly before: readonly Machine[];
  readonly after: readonly Machine[];
  readonly mineBefore: readonly Machine[];
  readonly mineAfter: readonly Machine[];
}): MachineChange[] {
  const { before, after, mineBefore, mineAfter } = machines;
  const nameOf = ({ metadata }: Machine) => metadata.name;
  const made = mineAfter.filter((one) => !find(before, one)).map(nameOf);
  const gone = mineBefore.filter((one) => !find(after, one) && !one.metadata.deletionTimestamp).map(nameOf);
  const replaced = Math.min(made.length, gone.length);
  return [
    ...gone.slice(0, replaced).map((name, index) => ({
      action: 'replace' as const,
      name,
      successor: made[index] as string,
    })),
    ...gone.slice(replaced).map((name) => ({ action: 'delete' as const, name })),
    ...made.slice(replaced).map((name) => ({ action: 'create' as const, name })),
    ...mineAfter
      .filter((one) => find(before, one) && !find(mineBefore, one))
      .map((one) => ({ action: 'adopt' as const, name: nameOf(one) })),
    ...mineBefore
      .filter((one) => find(after, one) && !find(mineAfter, one))
      .map((one) => ({ action: 'release' as const, name: nameOf(one) })),
  ];
}

/** True for a machine that stays, made from an earlier template than the one that is asked for. */
function isOlder(
  owner: KubeObject,
  sets: readonly MachineSet[],
  fields: readonly string[],
  machine: Machine,
  before: readonly Machine[],
): boolean {
  if (owner.kind === MachineSetKind.kind)
    return fields.some((field) => field.startsWith('spec.template')) && find(before, machine) !== undefined;
  const { template } = (admit(owner) as MachineDeployment).spec;
  const current = setOfTemplate(template, sets.map(admit));
  return current === undefined || !isControlledBy(machine, current);
}

function notesOf(object: KubeObject, older: readonly Machine[], sets: readonly MachineSet[]): string[] {
  const frozen = sets
    .flatMap(({ status }) => status?.conditions ?? [])
    .find(({ reason }) => reason === 'TooManyMachines');
  return [
    ...(isPaused(object) ? [`the annotation ${PAUSED_ANNOTATION} stops all work on it`] : []),
    ...(older.length > 0
      ? [`machines that keep an earlier template: ${older.map((one) => one.metadata.name).join(', ')}`]
      : []),
    ...(frozen ? [frozen.message] : []),
  ];
}

/** With its defaults, so that one that is written out is no change. */
function specOf(object: KubeObject): unknown {
  return admit(object).spec;
}

/** Paths of the fields that differ, for example `spec.template.spec.providerSpec.memoryMiB`. Never their values: some are secrets. */
function changedFields(before: unknown, after: unknown, path = 'spec'): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (!isMapping(before) || !isMapping(after)) return [path];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => changedFields(before[name], after[name], `${path}.${name}`));
}

function find(machines: readonly Machine[], wanted: Machine): Machine | undefined {
  return machines.find(({ metadata }) => metadata.uid === wanted.metadata.uid);
}

function kindOf({ kind }: KubeObject): ResourceKind {
  return kind === MachineSetKind.kind ? MachineSetKind : MachineDeploymentKind;
}
