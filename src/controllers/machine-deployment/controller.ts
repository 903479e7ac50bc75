/**
 * The MachineDeployment controller: one MachineSet for each version of the template, and machines that move from the old
 * ones to the current one. It only ever decides how large each set is; the sets make and delete the machines. Level-based:
 * each call looks at all sets and all machines anew, so a stop between two steps costs nothing.
 */

import { isDeepStrictEqual } from 'node:util';
import { admit } from '../../api/kinds/admission.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { type MachineDeployment, MachineDeploymentKind } from '../../api/kinds/machine-deployment.ts';
import { type MachineSet, MachineSetKind } from '../../api/kinds/machine-set.ts';
import { FINALIZER } from '../../api/schema/group.ts';
import { isPaused } from '../../api/schema/paused.ts';
import type { Condition } from '../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { isControlledBy } from '../../apimachinery/owner-reference.ts';
import { CaplvError } from '../../errors.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { Store } from '../../store/store.ts';
import { nextAvailableIn } from '../shared/availability.ts';
import { deleteMember, deleteWithMembers, type Ownership } from '../shared/cascading-deletion.ts';
import { claimMembers } from '../shared/claim-members.ts';
import type { Recorder } from '../shared/recorder.ts';
import { requeueSoonest } from '../shared/requeue.ts';
import { deadlineIn, deploymentConditions, withNotReady, withReplicaFailure } from './conditions.ts';
import { refuseDataLoss } from './data-guard.ts';
import { resizeSets } from './resize.ts';
import { byRevision, expiredSets, REVISION_ANNOTATION, setOfTemplate } from './revision.ts';
import { rollBack } from './rollback.ts';
import { type DeploymentSets, newMachineSet, type SetWithMachines } from './sets.ts';
import { deploymentCounts, isComplete } from './status.ts';

export interface MachineDeploymentReconcilerOptions {
  readonly store: Store;
  readonly recorder: Recorder;
}

const MANAGER = { fieldManager: 'caplv-machine-deployment' } as const;

export class MachineDeploymentReconciler {
  readonly #store: Store;
  readonly #recorder: Recorder;
  readonly #ownership: Ownership<MachineDeployment, MachineSet>;

  constructor({ store, recorder }: MachineDeploymentReconcilerOptions) {
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

  /** Throws TransientError or Terminal; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const stored = await this.#store.get(MachineDeploymentKind, key);
    if (!stored) return {};
    if (isPaused(stored)) {
      await this.#saveNotReady(stored, 'Paused', '');
      return {};
    }
    if (stored.metadata.deletionTimestamp) {
      const left = await deleteWithMembers(this.#ownership, stored);
      if (left > 0) await this.#saveNotReady(stored, 'Deleting', `${left} MachineSets are left`);
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
    const returned = await rollBack(this.#ownership, claimed, sets);
    const deployment = admit(returned);
    const { family, hasBegun } = await this.#family(deployment, sets);
    const resized = await resizeSets(this.#ownership, deployment, family);
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
    const machines = await this.#store.list(MachineKind, { namespace, onUnreadable: () => {} });
    const withMachines = (set: MachineSet): SetWithMachines => ({
      set,
      machines: machines.filter((machine) => isControlledBy(machine, set)),
    });
    const old = sets.filter((set) => set !== current).map(withMachines);
    refuseDataLoss(deployment, old);
    if (hasBegun) {
      const all = await this.#store.list(MachineSetKind, { namespace });
      const wanted = newMachineSet(deployment, new Set(all.map(({ metadata }) => metadata.name)));
      current = await this.#store.create(MachineSetKind, wanted, MANAGER);
      const message = `MachineSet ${current.metadata.name}`;
      this.#recorder.event(deployment, { type: 'Normal', reason: 'Created', message });
    }
    return { family: { current: current && withMachines(current), old }, hasBegun };
  }

  /** Writes down how things are, forgets old revisions after a rollout, and comes back when time alone changes something. */
  async #settle(deployment: MachineDeployment, sets: DeploymentSets, hasBegun: boolean): Promise<Result> {
    const nowMs = Date.now();
    const counts = deploymentCounts(deployment, sets, nowMs);
    const conditions = deploymentConditions({ deployment, sets, counts, hasBegun, nowMs });
    const status = { ...counts, conditions };
    if (isComplete(deployment, counts)) await this.#forget(deployment, sets.old);
    if (!isDeepStrictEqual(deployment.status, status)) {
      const options = { ...MANAGER, before: deployment.status };
      await this.#store.applyStatus(MachineDeploymentKind, keyOf(deployment), status, options);
    }
    const machines = [sets.current, ...sets.old].flatMap((one) => one?.machines ?? []);
    return requeueSoonest(
      nextAvailableIn(machines, deployment.spec.minReadySeconds, nowMs),
      deadlineIn(deployment, conditions, nowMs),
    );
  }

  async #forget(deployment: MachineDeployment, old: readonly SetWithMachines[]): Promise<void> {
    const empty = old.filter(({ set, machines }) => set.spec.replicas === 0 && machines.length === 0);
    const staying = empty.map(({ set }) => set).filter(({ metadata }) => !metadata.deletionTimestamp);
    for (const set of expiredSets(staying, deployment.spec.revisionHistoryLimit)) {
      await deleteMember(this.#ownership, deployment, set);
    }
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
    const { code, message } = failure;
    this.#recorder.event(deployment, { type: 'Warning', reason: code, message });
    const conditions = withReplicaFailure(deployment.status?.conditions, failure, Date.now());
    await this.#saveConditions(deployment, conditions);
  }

  async #saveNotReady(
    deployment: MachineDeployment,
    reason: 'Paused' | 'Deleting',
    message: string,
  ): Promise<void> {
    const conditions = withNotReady(deployment.status?.conditions, reason, message, Date.now());
    await this.#saveConditions(deployment, conditions);
  }

  async #saveConditions(deployment: MachineDeployment, conditions: Condition[]): Promise<void> {
    const { status = { replicas: 0 } } = deployment;
    if (isDeepStrictEqual(status.conditions, conditions)) return;
    const changed = { ...status, conditions };
    const options = { ...MANAGER, before: status };
    await this.#store.applyStatus(MachineDeploymentKind, keyOf(deployment), changed, options);
  }
}

function keyOf({ metadata: { namespace = 'default', name } }: MachineDeployment | MachineSet): ObjectKey {
  return { namespace, name };
}
