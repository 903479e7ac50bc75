/**
 * The Machine controller: a list of phases for a Machine that is to be, and one for its end. Level-based: each call goes by what is and
 * what should be, and may be repeated at any time, by any process.
 */

import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { FINALIZER } from '../../api/schema/group.ts';
import { isPaused } from '../../api/schema/paused.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { CaplvError } from '../../errors.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import { runPhases } from '../shared/phases.ts';
import { applyChange, beginChange, claimDomain, completeChange, prepareChange } from './apply.ts';
import { isObservable } from './ask-hosts.ts';
import { allowRepair, chooseChange, requireCurrent } from './choose-change.ts';
import { beginDeletion, leaveHost, releaseMachine } from './delete.ts';
import type { MachineDependencies } from './dependencies.ts';
import { buildSeed, claimMachine, observeHost, placeMachine, resolveIntent } from './desired-state.ts';
import { lockWaitOf } from './lock-condition.ts';
import { deleteNode, drainNode } from './node-departure.ts';
import { observeDomain } from './observe-domain.ts';
import { awaitApproval } from './plan-approval.ts';
import { prepareHost, requireNoConflict } from './prepare-host.ts';
import { type MachinePhase, MachineReconcile } from './reconcile.ts';
import { handleFailedChange } from './reschedule.ts';
import { MachineScope } from './scope/scope.ts';
import { finishReconcile } from './settle.ts';
import { recordObservation } from './status.ts';

/** From the object to its intent. A failure is recorded in the condition of its phase. */
const RESOLUTION: readonly MachinePhase[] = [
  { run: placeMachine, condition: 'HostReady' },
  { run: buildSeed, condition: 'BootstrapDataReady' },
  { run: resolveIntent, condition: 'HostReady' },
];

const onFailure = handleFailedChange;

/** Each may end the reconcile: nothing is to be changed, something is missing, a person has to be asked. */
const PHASES: readonly MachinePhase[] = [
  { run: claimMachine },
  ...RESOLUTION,
  { run: observeHost, condition: 'HostReady' },
  { run: chooseChange },
  { run: allowRepair },
  { run: awaitApproval, condition: 'DomainReady' },
  { run: requireCurrent },
  { run: beginChange, condition: 'DomainReady', onFailure },
  { run: prepareChange, condition: 'HostReady', onFailure },
  { run: applyChange, condition: 'DomainReady', onFailure },
  { run: completeChange, onFailure },
  { run: claimDomain },
  { run: finishReconcile },
];

const DELETION: readonly MachinePhase[] = [
  { run: beginDeletion },
  { run: drainNode },
  { run: leaveHost },
  { run: deleteNode },
  { run: releaseMachine },
];

export class MachineReconciler {
  readonly #parts: MachineDependencies;

  constructor(parts: MachineDependencies) {
    this.#parts = parts;
  }

  /** Throws TransientError or TerminalError; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const machine = await this.#read(key);
    if (!machine) return {};
    const scope = new MachineScope(this.#parts.store, machine);
    const phases = isPaused(machine) ? [] : machine.metadata.deletionTimestamp ? DELETION : PHASES;
    try {
      const { isStale, ...result } = await runPhases(phases, new MachineReconcile(this.#parts, scope));
      if (!isStale) await scope.save();
      return result;
    } catch (error) {
      await this.#reportFailure(scope, error);
      throw error;
    }
  }

  /**
   * What is made for the first time, or is to go, is read as it is stored now: another process may have written last. What nobody has
   * claimed yet is shown by the claim as it is then.
   */
  async #read(key: ObjectKey): Promise<Machine | undefined> {
    const { store } = this.#parts;
    const known = await store.get(MachineKind, key);
    // Of what is not known the store was asked.
    if (!known) return undefined;
    const isMade = known.status?.providerStatus?.appliedHash !== undefined;
    const isClaimed = known.metadata.finalizers?.includes(FINALIZER) ?? false;
    if ((isMade || !isClaimed) && !known.metadata.deletionTimestamp) return known;
    return store.get(MachineKind, key, { fresh: true });
  }

  /**
   * Brings the status up to date with what libvirt says, and does nothing else. `machine`: as it was before any host was asked;
   * see `prefetchDomains`.
   */
  async observe(machine: Machine): Promise<void> {
    if (!machine.status || !isObservable(machine)) return;
    const scope = new MachineScope(this.#parts.store, machine);
    const placed = await this.#parts.resolver.place(machine);
    const { metadata, status } = machine;
    const isApplied = status.observedGeneration === metadata.generation && status.errorReason === undefined;
    const waiting = lockWaitOf(scope);
    recordObservation(scope, placed, await observeDomain(this.#parts, placed), isApplied);
    // What libvirt shows is no news while another process is about to change it.
    if (waiting) scope.setCondition('DomainReady', 'False', 'StateLocked', waiting);
    // Who works on it has written meanwhile, and knows more.
    const now = await this.#parts.store.get(MachineKind, scope.key);
    if (now?.metadata.resourceVersion !== machine.metadata.resourceVersion) return;
    await scope.save();
  }

  /** Makes all that a machine needs on its host, and not the machine: for whoever runs Terraform on its stack himself. */
  async prepare(key: ObjectKey): Promise<void> {
    const machine = await this.#parts.store.get(MachineKind, key);
    if (!machine) return;
    const scope = new MachineScope(this.#parts.store, machine);
    await scope.claim(false);
    const reconcile = new MachineReconcile(this.#parts, scope);
    await runPhases(RESOLUTION, reconcile);
    await requireNoConflict(this.#parts, scope, reconcile.placed);
    await prepareHost(this.#parts, scope, reconcile.placed, reconcile.resolved);
    await scope.save();
  }

  async #reportFailure(scope: MachineScope, error: unknown): Promise<void> {
    if (!(error instanceof CaplvError)) return;
    // A Conflict is no fault, and the next try, which follows at once, goes by what is so now. Nor is the wait for another machine's work.
    if (error.code !== 'Conflict' && error.missing?.kind !== 'lock') {
      const { code, message } = error;
      this.#parts.recorder.event(scope.machine, { type: 'Warning', reason: code, message });
    }
    await scope.save();
  }
}
