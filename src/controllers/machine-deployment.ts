/**
 * The MachineDeployment controller: one MachineSet for each version of the template, and machines that move from the old
 * ones to the current one. It only ever decides how large each set is; the sets make and delete the machines. Level-based:
 * each call looks at all sets and all machines anew, so a stop between two steps costs nothing.
 */

import { isDeepStrictEqual } from 'node:util';
import { admit } from '../api/admission.ts';
import { FINALIZER } from '../api/group.ts';
import { MachineKind } from '../api/machine.ts';
import { type MachineDeployment, MachineDeploymentKind } from '../api/machine-deployment.ts';
import { type MachineSet, MachineSetKind } from '../api/machine-set.ts';
import { CaplvError } from '../errors.ts';
import { isControlledBy } from '../kube/owner.ts';
import type { ObjectKey, Store } from '../store/store.ts';
import { deleteMember, deleteWithMembers, type Ownership } from './cascading-deletion.ts';
import { PAUSED_ANNOTATION, type Result } from './machine.ts';
import { nextAvailableIn } from './machine-availability.ts';
import { deadlineIn, deploymentConditions, withReplicaFailure } from './machine-deployment-conditions.ts';
import { countOf, intendedSet, newMachineSet, type SetWithMachines } from './machine-deployment-sets.ts';
import { type DeploymentSets, deploymentCounts, isComplete } from './machine-deployment-status.ts';
import { claimMembers } from './members.ts';
import { isScaled, scale } from './proportional-scaling.ts';
import type { Recorder } from './recorder.ts';
import {
  byRevision,
  currentRevision,
  expiredSets,
  REVISION_ANNOTATION,
  ROLLBACK_ANNOTATION,
  rolledBack,
  setOfTemplate,
} from './revision.ts';
import { rolloutLimits } from './rollout-limits.ts';
import { onDelete, rollingUpdate, type SetSizes } from './set-sizes.ts';

export interface MachineDeploymentControllerOptions {
  readonly store: Store;
  readonly recorder: Recorder;
}

const MANAGER = { fieldManager: 'caplv-machine-deployment' } as const;

export class MachineDeploymentController {
  readonly #store: Store;
  readonly #recorder: Recorder;
  readonly #ownership: Ownership<MachineDeployment, MachineSet>;

  constructor({ store, recorder }: MachineDeploymentControllerOptions) {
    this.#store = store;
    this.#recorder = recorder;
    this.#ownership = {
      store,
      recorder,
      ...MANAGER,
      ownerKind: MachineDeploymentKind,
      memberKind: MachineSetKind,
    };
  }

  /** Throws Transient or Terminal; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const stored = await this.#store.get(MachineDeploymentKind, key);
    if (!stored || stored.metadata.annotations?.[PAUSED_ANNOTATION] !== undefined) return {};
    if (stored.metadata.deletionTimestamp) {
      await deleteWithMembers(this.#ownership, stored);
      return {};
    }
    try {
      return await this.#reconcileNormal(stored);
    } catch (error) {
      if (error instanceof CaplvError && error.code !== 'Conflict') await this.#reportFailure(stored, error);
      throw error;
    }
  }

  async #reconcileNormal(stored: MachineDeployment): Promise<Result> {
    admit(stored);
    const claimed = await this.#claim(stored);
    const sets = await this.#sets(admit(claimed));
    const returned = await this.#rollBack(claimed, sets);
    const deployment = admit(returned);
    const { family, hasBegun } = await this.#family(deployment, sets);
    const resized = await this.#resize(deployment, family);
    await this.#recordRevision(returned, resized.current?.set);
    return this.#settle(deployment, resized, hasBegun);
  }

  /** All sets of the deployment, oldest revision first, with defaults. */
  async #sets(deployment: MachineDeployment): Promise<MachineSet[]> {
    const { namespace } = keyOf(deployment);
    const candidates = await this.#store.list(MachineSetKind, { namespace });
    const members = await claimMembers(this.#ownership, deployment, candidates);
    return members.map((set) => (set.metadata.deletionTimestamp ? set : admit(set))).sort(byRevision);
  }

  /** Finds the set of the current template, or makes it; a deployment that is paused waits with that. */
  async #family(
    deployment: MachineDeployment,
    sets: readonly MachineSet[],
  ): Promise<{ readonly family: DeploymentSets; readonly hasBegun: boolean }> {
    const { namespace } = keyOf(deployment);
    let current = setOfTemplate(deployment.spec.template, sets);
    const hasBegun = current === undefined && !deployment.spec.paused;
    if (hasBegun) {
      const all = await this.#store.list(MachineSetKind, { namespace });
      const wanted = newMachineSet(deployment, new Set(all.map(({ metadata }) => metadata.name)));
      current = await this.#store.create(MachineSetKind, wanted, MANAGER);
      this.#event(deployment, 'Created', `MachineSet ${current.metadata.name}`);
    }
    const machines = await this.#store.list(MachineKind, { namespace });
    const withMachines = (set: MachineSet): SetWithMachines => ({
      set,
      machines: machines.filter((machine) => isControlledBy(machine, set)),
    });
    const old = sets.filter((set) => set !== current).map(withMachines);
    return { family: { current: current && withMachines(current), old }, hasBegun };
  }

  /** Gives every set its size. Returns them as they are then. */
  async #resize(deployment: MachineDeployment, { current, old }: DeploymentSets): Promise<DeploymentSets> {
    const sizes = sizesOf(deployment, { current, old });
    const { maxSurge } = rolloutLimits(deployment.spec);
    const resize = async (one: SetWithMachines, revision?: number): Promise<SetWithMachines> => {
      if (one.set.metadata.deletionTimestamp) return one;
      const replicas = sizes.get(one.set.metadata.name) ?? one.set.spec.replicas;
      const mayCreate = one === current || deployment.spec.strategy?.type !== 'OnDelete';
      const intent = { replicas, mayCreate, maxSurge, ...(revision === undefined ? {} : { revision }) };
      const set = intendedSet(one.set, deployment, intent);
      if (isDeepStrictEqual(set, one.set)) return one;
      const updated = await this.#store.update(MachineSetKind, set, MANAGER);
      if (replicas !== one.set.spec.replicas) {
        const change = `MachineSet ${set.metadata.name} from ${one.set.spec.replicas} to ${replicas}`;
        this.#event(deployment, replicas > one.set.spec.replicas ? 'ScaledUp' : 'ScaledDown', change);
      }
      return { ...one, set: updated };
    };
    const others = old.map(({ set }) => set);
    const resized = current && (await resize(current, currentRevision(current.set, others)));
    const shrunk: SetWithMachines[] = [];
    for (const one of old) shrunk.push(await resize(one));
    return { current: resized, old: shrunk };
  }

  /** Writes down how things are, forgets old revisions after a rollout, and comes back when time alone changes something. */
  async #settle(deployment: MachineDeployment, sets: DeploymentSets, hasBegun: boolean): Promise<Result> {
    const nowMs = Date.now();
    const counts = deploymentCounts(deployment, sets, nowMs);
    const conditions = deploymentConditions({ deployment, sets, counts, hasBegun, nowMs });
    const status = { ...counts, conditions };
    if (isComplete(deployment, counts)) await this.#forget(deployment, sets.old);
    if (!isDeepStrictEqual(deployment.status, status)) {
      await this.#store.applyStatus(MachineDeploymentKind, keyOf(deployment), status, MANAGER);
    }
    const machines = [sets.current, ...sets.old].flatMap((one) => one?.machines ?? []);
    const waits = [
      nextAvailableIn(machines, deployment.spec.minReadySeconds, nowMs),
      deadlineIn(deployment, conditions, nowMs),
    ].filter((wait) => wait !== undefined);
    return waits.length > 0 ? { requeueAfterMs: Math.min(...waits) } : {};
  }

  async #forget(deployment: MachineDeployment, old: readonly SetWithMachines[]): Promise<void> {
    const empty = old.filter(({ set, machines }) => set.spec.replicas === 0 && machines.length === 0);
    const staying = empty.map(({ set }) => set).filter(({ metadata }) => !metadata.deletionTimestamp);
    for (const set of expiredSets(staying, deployment.spec.revisionHistoryLimit)) {
      await deleteMember(this.#ownership, deployment, set);
    }
  }

  async #rollBack(deployment: MachineDeployment, sets: readonly MachineSet[]): Promise<MachineDeployment> {
    const { [ROLLBACK_ANNOTATION]: wanted, ...annotations } = deployment.metadata.annotations ?? {};
    if (wanted === undefined) return deployment;
    const target = /^\d{1,9}$/.test(wanted) ? rolledBack(deployment, sets, Number(wanted)) : undefined;
    const { metadata } = deployment;
    const changed = { ...(target ?? deployment), metadata: { ...metadata, annotations } };
    const updated = await this.#store.update(MachineDeploymentKind, changed, MANAGER);
    if (target) this.#event(deployment, 'RolledBack', `to revision ${wanted}`);
    else {
      const message = `no MachineSet of revision "${wanted}" is left; see annotation ${REVISION_ANNOTATION} of the MachineSets`;
      this.#recorder.event(deployment, { type: 'Warning', reason: 'RevisionNotFound', message });
    }
    return updated;
  }

  async #claim(deployment: MachineDeployment): Promise<MachineDeployment> {
    const { finalizers = [] } = deployment.metadata;
    if (finalizers.includes(FINALIZER)) return deployment;
    const metadata = { ...deployment.metadata, finalizers: [...finalizers, FINALIZER] };
    return this.#store.update(MachineDeploymentKind, { ...deployment, metadata }, MANAGER);
  }

  async #recordRevision(deployment: MachineDeployment, current: MachineSet | undefined): Promise<void> {
    const revision = current?.metadata.annotations?.[REVISION_ANNOTATION];
    if (revision === undefined || deployment.metadata.annotations?.[REVISION_ANNOTATION] === revision) return;
    const annotations = { ...deployment.metadata.annotations, [REVISION_ANNOTATION]: revision };
    const metadata = { ...deployment.metadata, annotations };
    await this.#store.update(MachineDeploymentKind, { ...deployment, metadata }, MANAGER);
  }

  async #reportFailure(deployment: MachineDeployment, failure: CaplvError): Promise<void> {
    this.#event(deployment, failure.code, failure.message, 'Warning');
    const { status = { replicas: 0 } } = deployment;
    const conditions = withReplicaFailure(status.conditions, failure, Date.now());
    if (isDeepStrictEqual(status.conditions, conditions)) return;
    const changed = { ...status, conditions };
    await this.#store.applyStatus(MachineDeploymentKind, keyOf(deployment), changed, MANAGER);
  }

  #event(
    deployment: MachineDeployment,
    reason: string,
    message: string,
    type: 'Normal' | 'Warning' = 'Normal',
  ) {
    this.#recorder.event(deployment, { type, reason, message });
  }
}

/** While `replicas` changes, or nothing may be replaced, sets only grow and shrink by their shares. */
function sizesOf({ spec }: MachineDeployment, { current, old }: DeploymentSets): SetSizes {
  const nowMs = Date.now();
  const count = (one: SetWithMachines) => countOf(one, spec.minReadySeconds, nowMs);
  const counts = { current: current && count(current), old: old.map(count) };
  const limits = rolloutLimits(spec);
  if (spec.paused) return scale(counts, spec.replicas, limits.maxSurge);
  if (spec.strategy?.type === 'OnDelete') return onDelete(counts, spec.replicas);
  if (isScaled(counts, spec.replicas)) return scale(counts, spec.replicas, limits.maxSurge);
  return rollingUpdate(counts, spec.replicas, limits);
}

function keyOf({ metadata: { namespace = 'default', name } }: MachineDeployment | MachineSet): ObjectKey {
  return { namespace, name };
}
