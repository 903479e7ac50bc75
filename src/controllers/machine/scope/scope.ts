/** One Machine during one reconcile: its status is changed here and written at the end, if something changed. */

import { isDeepStrictEqual } from 'node:util';
import {
  type Machine,
  MachineKind,
  type MachineProviderStatus,
  type MachineStatus,
  type Pinned,
} from '../../../api/kinds/machine.ts';
import { FINALIZER } from '../../../api/schema/group.ts';
import { isPaused } from '../../../api/schema/paused.ts';
import {
  type Condition,
  conditionOf,
  findCondition,
  setCondition,
} from '../../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../../apimachinery/object.ts';
import { formatKey } from '../../../apimachinery/object-key.ts';
import {
  type CaplvError,
  ERROR_CODES,
  outOfResources,
  TerminalError,
  TransientError,
} from '../../../errors.ts';
import { instanceIdOf } from '../../../intent/instance-id.ts';
import { type MachineIdentity, providerID } from '../../../intent/names.ts';
import { removeFinalizer } from '../../../store/finalizer.ts';
import type { Store } from '../../../store/store.ts';
import { traced } from '../../../telemetry/spans.ts';
import { type ConditionType, NODE_CONDITIONS, type Reason } from '../../shared/conditions.ts';

/** Field manager of the controllers. */
export const FIELD_MANAGER = 'caplv-controller';

const DOMAIN_CONDITIONS: readonly ConditionType[] = [
  'BootstrapDataReady',
  'HostReady',
  'DomainReady',
  'AddressesReady',
];

export class MachineScope {
  machine: Machine;
  status: MachineStatus;
  readonly #store: Store;
  readonly #begun: Machine;
  /** Resolves when all writes of the status so far have ended. */
  #written: Promise<void> = Promise.resolve();

  constructor(store: Store, machine: Machine) {
    this.#store = store;
    this.#begun = machine;
    this.machine = machine;
    this.status = structuredClone(machine.status ?? { phase: 'Pending' });
  }

  get key(): ObjectKey {
    const { namespace = 'default', name } = this.machine.metadata;
    return { namespace, name };
  }

  get identity(): MachineIdentity {
    return { ...this.key, uid: instanceIdOf(this.machine) };
  }

  /** For writes: to this very object, and none if it is gone. */
  get #uid(): { readonly uid?: string } {
    const { uid } = this.machine.metadata;
    return uid === undefined ? {} : { uid };
  }

  get providerStatus(): MachineProviderStatus {
    return this.status.providerStatus ?? {};
  }

  setProviderStatus(change: MachineProviderStatus): void {
    this.status.providerStatus = { ...this.providerStatus, ...change };
  }

  setCondition(
    type: ConditionType,
    status: Condition['status'],
    reason: Reason | CaplvError['code'],
    message = '',
  ): void {
    this.status.conditions = this.#with(this.status.conditions, { type, status, reason, message });
  }

  #with(
    conditions: readonly Condition[] | undefined,
    next: Pick<Condition, 'type' | 'status' | 'reason' | 'message'>,
  ): Condition[] {
    const { generation } = this.machine.metadata;
    const condition = { ...next, ...(generation !== undefined && { observedGeneration: generation }) };
    return setCondition(conditions, condition, new Date().toISOString());
  }

  condition(type: ConditionType): Condition | undefined {
    return findCondition(this, type);
  }

  setOperation(
    type: 'Create' | 'Update' | 'Delete',
    state: 'Processing' | 'Successful' | 'Failed',
    description: string,
  ): void {
    this.status.lastOperation = { type, state, description, lastUpdated: new Date().toISOString() };
  }

  /** Says that an operation is under way. Why the last try failed stays to be read until one succeeds or more is asked for. */
  beginOperation(type: 'Create' | 'Update', reason: string): void {
    const last = this.condition('DomainReady');
    const hasFailed = last?.status === 'False' && isFailure(last.reason);
    if (hasFailed && last.observedGeneration === this.machine.metadata.generation) {
      this.setOperation(type, 'Processing', `${reason}; trying again after: ${last.message}`);
      return;
    }
    this.setOperation(type, 'Processing', reason);
    this.setCondition('DomainReady', 'False', 'Provisioning', reason);
  }

  /** Ready follows from the others: the first that is not True is the reason. Of a paused machine nothing is said. */
  #summarized(conditions: readonly Condition[] = []): Condition[] {
    if (isPaused(this.machine))
      return this.#with(conditions, { type: 'Ready', status: 'False', reason: 'Paused', message: '' });
    // What holds up the creation comes first, and last what a machine that runs can live with.
    const isMade = this.providerStatus.appliedHash !== undefined;
    const claimed: readonly ConditionType[] = ['AddressesClaimed'];
    const types = isMade ? [...DOMAIN_CONDITIONS, ...claimed] : [...claimed, ...DOMAIN_CONDITIONS];
    const blocking = types
      .map((type) => conditionOf(conditions, type))
      .find((condition) => condition && condition.status !== 'True');
    const { status, reason, message } = blocking
      ? ({ ...blocking, status: 'False' } as const)
      : ({ status: 'True', reason: 'AsSpecified', message: '' } as const);
    return this.#with(conditions, { type: 'Ready', status, reason, message });
  }

  /** Records a failure at the condition that it stopped. Only a TerminalError error makes the machine Failed. */
  fail(type: ConditionType, error: TerminalError | TransientError): void {
    const message = error.fix === undefined ? error.message : `${error.message}; ${error.fix}`;
    this.setCondition(
      type,
      'False',
      error.code,
      error.path === undefined ? message : `${error.path}: ${message}`,
    );
    if (this.status.lastOperation?.state === 'Processing') {
      this.setOperation(this.status.lastOperation.type, 'Failed', error.message);
    }
    if (!(error instanceof TerminalError)) return;
    // A machine that was made stays what it is when a later change of it is refused.
    if (this.providerStatus.appliedHash === undefined) this.status.phase = 'Failed';
    this.status.errorReason = error.code;
    this.status.errorMessage = message;
  }

  /** Runs a part of the reconcile whose failure belongs to one condition. What it throws is in the status by then. */
  async step<T>(type: ConditionType, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.recordFailure(type, error);
    }
  }

  /** Records what was thrown, where that says something of the machine. Returns what to throw for it. */
  recordFailure(type: ConditionType, thrown: unknown): unknown {
    const error = outOfResources(thrown) ?? thrown;
    if (error instanceof TerminalError || error instanceof TransientError) this.fail(type, error);
    return error;
  }

  /** Of a machine that was made before they were assigned. */
  keepAddresses({ macs, reservations }: Pinned): void {
    const { pinned } = this.providerStatus;
    if (pinned && macs && reservations) this.setProviderStatus({ pinned: { ...pinned, macs, reservations } });
  }

  /** Of a guest that has asked for its address. */
  clearLeasesBefore(): void {
    if (this.providerStatus.leasesBefore === undefined) return;
    const { leasesBefore: _, ...kept } = this.providerStatus;
    this.#replaceProviderStatus(kept);
  }

  clearPlan(): void {
    const { lastPlan: _, ...kept } = this.providerStatus;
    this.#replaceProviderStatus(kept);
  }

  /** Of a machine of which nothing is on its host. */
  clearPlacement(): void {
    const { pinned: _, host: __, ...kept } = this.providerStatus;
    this.#replaceProviderStatus(kept);
  }

  /** Of a struct whose every field a server-side apply takes away, the API server makes null, and refuses that. */
  #replaceProviderStatus(kept: MachineProviderStatus): void {
    if (Object.values(kept).some((value) => value !== undefined)) this.status.providerStatus = kept;
    else delete this.status.providerStatus;
  }

  clearPlanDrift(): void {
    const { planDrift: _, ...kept } = this.providerStatus;
    this.status.providerStatus = kept;
  }

  clearError(): void {
    delete this.status.errorReason;
    delete this.status.errorMessage;
  }

  /** Before a machine that was made is changed: false if what is known of it is older than what was asked for since. */
  async isCurrent(): Promise<boolean> {
    if (this.#begun.status?.providerStatus?.appliedHash === undefined) return true;
    const stored = await this.#store.get(MachineKind, this.key, { fresh: true });
    return stored !== undefined && isDeepStrictEqual(basisOf(stored), basisOf(this.#begun));
  }

  /** Our fields of metadata and spec: the finalizer, and the providerID once there is a domain. */
  async claim(withProviderID: boolean): Promise<void> {
    await this.#written;
    const id = providerID(this.identity);
    const hasProviderID = this.machine.spec.providerID === id;
    if (this.machine.metadata.finalizers?.includes(FINALIZER) && (!withProviderID || hasProviderID)) return;
    this.#take(
      await this.#store.apply(
        MachineKind,
        {
          metadata: { ...this.key, ...this.#uid, finalizers: [FINALIZER] },
          // What is left out of an apply is taken away, and a providerID is set for good: a finalizer that somebody removed comes back.
          ...(withProviderID || hasProviderID ? { spec: { providerID: id } as Machine['spec'] } : {}),
        },
        { fieldManager: FIELD_MANAGER },
      ),
    );
  }

  /** Lets the object go, whoever else has applied our finalizer. */
  async release(): Promise<void> {
    await this.#written;
    const object = { ...this.key, ...this.#uid };
    const options = { fieldManager: FIELD_MANAGER, known: this.machine };
    await removeFinalizer(this.#store, MachineKind, object, FINALIZER, options);
  }

  /**
   * Writes the status if it changed, at the end of a reconcile. Throws TransientError Conflict when another process works at this machine
   * too, as a command beside a controller does: the one would undo what the other has pinned.
   */
  async save(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#write({ ...this.status, conditions: this.#summarized(this.status.conditions) });
      this.status = structuredClone(this.machine.status ?? {});
    });
  }

  /**
   * Writes the status in the middle of a reconcile, as `save` does: what comes next must not happen before it is stored, for a process
   * that ends here is followed by one that knows no more than what is stored.
   */
  async checkpoint(): Promise<void> {
    await this.save();
  }

  /** Writes the status while work goes on, with `waiting` as a condition of it that lasts until the next report. */
  report(waiting?: Pick<Condition, 'type' | 'reason' | 'message'>): Promise<void> {
    const status = structuredClone(this.status);
    if (waiting) status.conditions = this.#with(status.conditions, { ...waiting, status: 'False' });
    status.conditions = this.#summarized(status.conditions);
    return this.#inTurn(() => this.#write(status));
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const written = this.#written.then(write);
    this.#written = written.catch(() => {});
    return written;
  }

  async #write(status: MachineStatus): Promise<void> {
    const { generation } = this.machine.metadata;
    if (generation !== undefined) status.observedGeneration = generation;
    const { lastUpdated: _, ...before } = this.machine.status ?? {};
    const { lastUpdated: __, ...after } = status;
    if (isDeepStrictEqual(before, after)) return;
    status.lastUpdated = new Date().toISOString();
    this.machine = await traced('write status', {}, () =>
      this.#applyStatus(status).catch(async (error: unknown) => {
        const stored = isConflict(error) && (await this.#store.get(MachineKind, this.key, { fresh: true }));
        if (!stored) throw error;
        this.#take(stored);
        return this.#applyStatus(status);
      }),
    );
  }

  #applyStatus(status: MachineStatus): Promise<Machine> {
    const { resourceVersion } = this.machine.metadata;
    return this.#store.applyStatus(MachineKind, this.key, withoutNodeConditions(status), {
      fieldManager: FIELD_MANAGER,
      resourceVersion,
      before: this.machine.status,
    });
  }

  /** Goes on with a newer version of the object, in which anything may be new but what this reconcile alone is to write. */
  #take(newer: Machine): void {
    const seen = this.machine.status?.providerStatus;
    if (!isDeepStrictEqual(newer.status?.providerStatus, seen)) throw atWorkElsewhere(this.key);
    this.machine = newer;
  }
}

/** What is known of them here may be older than what the controller of Nodes has written since. */
function withoutNodeConditions({ conditions, ...status }: MachineStatus): MachineStatus {
  if (!conditions) return status;
  return { ...status, conditions: conditions.filter(({ type }) => !Object.hasOwn(NODE_CONDITIONS, type)) };
}

/** Whether a condition's reason is the code of an error that stopped an operation. Who waits for a lock has not failed. */
function isFailure(reason: string): boolean {
  return reason !== 'StateLocked' && (ERROR_CODES as readonly string[]).includes(reason);
}

function isConflict(error: unknown): boolean {
  return error instanceof TransientError && error.code === 'Conflict';
}

function atWorkElsewhere(key: ObjectKey): TransientError {
  return new TransientError({
    code: 'Conflict',
    message: `Machine ${formatKey(key)}: another process is reconciling it, too`,
    fix: 'nothing to do: the next attempt continues from there',
    retryAfterMs: 100,
  });
}

/** What decides how a machine is changed. */
function basisOf({ metadata: { uid, generation, annotations, deletionTimestamp } }: Machine): unknown {
  return [uid, generation, annotations, deletionTimestamp];
}
