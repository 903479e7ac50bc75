/**
 * The MachineSet controller: as many machines as asked for. Level-based, safe to repeat and to stop anywhere; see
 * ordinals.ts for why there are never more machines than asked for.
 *
 * A machine that is being deleted counts until it is gone: its domain holds memory and disks until then, and a host that is
 * full would otherwise refuse its successor. A machine whose deletion hangs, say because its host is dead, can be given up
 * by taking away a label that the selector wants: it is released and replaced.
 *
 * A machine that failed is not replaced by itself. What failed is mostly its spec, and the next would fail the same way,
 * for ever and at the cost of the host. Whoever knows better deletes it; it also goes first when the set shrinks.
 */

import { isDeepStrictEqual } from 'node:util';
import { admit } from '../../api/kinds/admission.ts';
import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { type MachineSet, MachineSetKind, type MachineSetStatus } from '../../api/kinds/machine-set.ts';
import { FINALIZER } from '../../api/schema/group.ts';
import { isPaused } from '../../api/schema/paused.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
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
import { machinesToDelete } from './deletion-order.ts';
import { NEXT_MACHINE_ANNOTATION, newMachineNames, nextOrdinal } from './ordinals.ts';
import { freezeReason } from './runaway-guard.ts';
import { failedStatus, machineSetStatus, withoutError, withReady } from './status.ts';
import { steadyMembers } from './steady-state.ts';
import { machineFromTemplate } from './template.ts';

export interface MachineSetReconcilerOptions {
  readonly store: Store;
  /**
   * What may be a moment old, and costs less, but for a status that was written through it. Nothing is made or deleted by it: it only
   * tells that there is nothing to do but to count, which is so for nearly every change of a machine. Default: `store`.
   */
  readonly known?: Known;
  readonly recorder: Recorder;
}

export type Known = Pick<Store, 'get' | 'list' | 'applyStatus'>;

/** On a MachineSet: it makes no machines. A MachineDeployment of strategy OnDelete sets it on its old sets. */
export const DISABLE_CREATE_ANNOTATION = 'cluster-api.k8s.io/disable-machine-create';

const MANAGER = { fieldManager: 'caplv-machine-set' } as const;

export class MachineSetReconciler {
  readonly #store: Store;
  readonly #known: Known;
  readonly #recorder: Recorder;
  readonly #ownership: Ownership<MachineSet, Machine>;

  constructor({ store, known = store, recorder }: MachineSetReconcilerOptions) {
    this.#store = store;
    this.#known = known;
    this.#recorder = recorder;
    this.#ownership = {
      store,
      recorder,
      ...MANAGER,
      ownerKind: MachineSetKind,
      memberKind: MachineKind,
    };
  }

  /** Throws TransientError or Terminal; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const known = await this.#known.get(MachineSetKind, key);
    if (!known) return {};
    try {
      const counted = await this.#count(known);
      if (counted) return counted;
      const stored = await this.#store.get(MachineSetKind, key);
      return stored ? await this.#reconcileStored(stored) : {};
    } catch (error) {
      if (error instanceof CaplvError && error.code !== 'Conflict') await this.#reportFailure(key, error);
      throw error;
    }
  }

  /** Undefined: by what is known there may be more to do than to count. */
  async #count(known: MachineSet): Promise<Result | undefined> {
    if (isPaused(known)) return undefined;
    const machines = await this.#machinesOfNamespace(known, this.#known);
    if (known.metadata.deletionTimestamp) {
      const left = machines.filter((one) => isControlledBy(one, known));
      const areLeaving = left.length > 0 && left.every(({ metadata }) => metadata.deletionTimestamp);
      return areLeaving ? this.#settleDelete(known, left.length) : undefined;
    }
    const members = steadyMembers(admit(known), machines);
    return members && this.#settle(known, members);
  }

  async #reconcileStored(stored: MachineSet): Promise<Result> {
    if (isPaused(stored)) {
      await this.#save(stored, withReady(stored, withoutError(stored), 'Paused', '', Date.now()));
      return {};
    }
    if (stored.metadata.deletionTimestamp) {
      return this.#settleDelete(stored, await deleteWithMembers(this.#ownership, stored));
    }
    const before = await this.#machinesOfNamespace(stored);
    const owned = before.filter((machine) => isControlledBy(machine, stored));
    // Before the first machine is made: a set without the finalizer could go and leave its machines behind.
    const claimed = await this.#claim(stored, nextOrdinal(stored, owned));
    const set = admit(claimed);
    const members = await this.#members(set, before);
    const frozen = freezeReason(set, members, Date.now());
    if (frozen !== undefined) return this.#freeze(claimed, members, frozen);
    const after = await this.#balance(set, members, before);
    if (after === members) return this.#settle(claimed, members);
    return this.#settle(await this.#claim(claimed, nextOrdinal(set, after)), after);
  }

  /** Makes or deletes machines. Returns the members as they are then; those of before: there was nothing to do. */
  async #balance(
    set: MachineSet,
    members: readonly Machine[],
    all: readonly Machine[],
  ): Promise<readonly Machine[]> {
    const surplus = members.length - set.spec.replicas;
    if (surplus > 0) {
      const leaving = machinesToDelete(set, members);
      if (leaving.length === 0) return members;
      for (const machine of leaving) await deleteMember(this.#ownership, set, machine);
      return this.#members(set, await this.#machinesOfNamespace(set));
    }
    if (surplus === 0 || set.metadata.annotations?.[DISABLE_CREATE_ANNOTATION] !== undefined) return members;
    // One that cannot be read may be a member: no other is made in its place.
    await this.#store.list(MachineKind, { namespace: keyOf(set.metadata).namespace });
    const taken = new Set(all.map(({ metadata }) => metadata.name));
    const made: Machine[] = [];
    // One after the other: the first that is refused stops the row.
    for (const name of newMachineNames(set, nextOrdinal(set, members), -surplus, taken)) {
      made.push(await this.#store.create(MachineKind, machineFromTemplate(set, name), MANAGER));
      this.#recorder.event(set, { type: 'Normal', reason: 'Created', message: `Machine ${name}` });
    }
    return [...members, ...made];
  }

  async #freeze(stored: MachineSet, machines: readonly Machine[], why: string): Promise<Result> {
    const ready = findCondition(stored, 'Ready');
    if (ready?.reason !== 'TooManyMachines') {
      this.#recorder.event(stored, { type: 'Warning', reason: 'TooManyMachines', message: why });
    }
    const now = Date.now();
    const status = machineSetStatus(admit(stored), machines, now);
    await this.#save(stored, withReady(stored, status, 'TooManyMachines', why, now));
    return {};
  }

  /** Our finalizer, and the number of the next machine. Returns the set as it is then. */
  async #claim(set: MachineSet, next: number): Promise<MachineSet> {
    const { finalizers = [], annotations = {} } = set.metadata;
    const isKnown = next === 0 || annotations[NEXT_MACHINE_ANNOTATION] === String(next);
    if (finalizers.includes(FINALIZER) && isKnown) return set;
    const metadata = {
      ...set.metadata,
      finalizers: finalizers.includes(FINALIZER) ? finalizers : [...finalizers, FINALIZER],
      annotations: isKnown ? annotations : { ...annotations, [NEXT_MACHINE_ANNOTATION]: String(next) },
    };
    return this.#store.update(MachineSetKind, { ...set, metadata }, MANAGER);
  }

  async #settleDelete(set: MachineSet, left: number): Promise<Result> {
    if (left === 0) return {};
    const status = { ...withoutError(set), replicas: left };
    await this.#save(set, withReady(set, status, 'Deleting', `${left} machines are left`, Date.now()));
    return {};
  }

  async #machinesOfNamespace(
    { metadata }: MachineSet,
    store: Pick<Store, 'list'> = this.#store,
  ): Promise<Machine[]> {
    return store.list(MachineKind, { namespace: keyOf(metadata).namespace, onUnreadable: () => {} });
  }

  async #owned(set: MachineSet): Promise<Machine[]> {
    return (await this.#machinesOfNamespace(set)).filter((machine) => isControlledBy(machine, set));
  }

  async #members(set: MachineSet, candidates: readonly Machine[]): Promise<Machine[]> {
    return claimMembers(this.#ownership, set, candidates);
  }

  /** Writes down how things are, and comes back when the next machine has been ready for long enough. */
  async #settle(stored: MachineSet, machines: readonly Machine[]): Promise<Result> {
    const set = admit(stored);
    const now = Date.now();
    const askedReplicas = set.spec.replicas;
    await this.#save(stored, { ...machineSetStatus(set, machines, now), askedReplicas });
    return requeueSoonest(nextAvailableIn(machines, set.spec.minReadySeconds, now));
  }

  async #reportFailure(key: ObjectKey, failure: CaplvError): Promise<void> {
    const set = await this.#store.get(MachineSetKind, key);
    if (!set) return;
    this.#recorder.event(set, { type: 'Warning', reason: failure.code, message: failure.message });
    await this.#save(set, failedStatus(set, await this.#owned(set), failure, Date.now()));
  }

  async #save(set: MachineSet, status: MachineSetStatus): Promise<void> {
    if (isDeepStrictEqual(set.status, status)) return;
    const options = { ...MANAGER, before: set.status };
    await this.#known.applyStatus(MachineSetKind, keyOf(set.metadata), status, options);
  }
}

function keyOf({ namespace = 'default', name }: MachineSet['metadata']): ObjectKey {
  return { namespace, name };
}
