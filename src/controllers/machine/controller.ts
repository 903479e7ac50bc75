/**
 * The Machine controller: a row of guards, then delete or make true. Level-based: each call looks at what is and at what
 * should be, and may be repeated at any time, by any process.
 */

import type { UpdateOptions } from '../../actuator/context/options.ts';
import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { FINALIZER } from '../../api/schema/group.ts';
import { isPaused } from '../../api/schema/paused.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { CaplvError } from '../../errors.ts';
import { intentHash } from '../../intent/machine-intent.ts';
import type { ResolvedMachine } from '../../intent/resolve-machine.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import { withObservedMacs } from './addresses/observed-macs.ts';
import { applyMachine } from './apply.ts';
import { isObservable } from './ask-hosts.ts';
import { deleteMachine } from './delete.ts';
import type { MachineDependencies } from './dependencies.ts';
import { lockWaitOf } from './lock-condition.ts';
import { mayHaveMoved, refuseSecondDomain } from './moved-domain.ts';
import { cachedDomain, observeDomain } from './observe-domain.ts';
import { awaitsApproval } from './plan-approval.ts';
import { detectPlanDrift } from './plan-drift.ts';
import { prepareHost, requireNoConflict } from './prepare-host.ts';
import { visibleDrift } from './repair/drift.ts';
import type { Drift } from './repair/policy.ts';
import { rescheduleOnHostFailure } from './reschedule.ts';
import type { PlacedMachine } from './scope/placed-machine.ts';
import { MachineScope } from './scope/scope.ts';
import { finishReconcile } from './settle.ts';
import { recordObservation } from './status.ts';

/** To be looked at again, as it is now. */
const REQUEUE_NOW: Result = { requeueAfterMs: 50 };

export class MachineReconciler {
  readonly #parts: MachineDependencies;

  constructor(parts: MachineDependencies) {
    this.#parts = parts;
  }

  /** Throws TransientError or Terminal; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const machine = await this.#read(key);
    if (!machine) return {};
    const scope = new MachineScope(this.#parts.store, machine);
    if (isPaused(machine)) {
      scope.setCondition('Ready', 'False', 'Paused');
      await scope.save();
      return {};
    }
    try {
      if (machine.metadata.deletionTimestamp) {
        await deleteMachine(this.#parts, scope);
        return {};
      }
      await scope.claim(false);
      // Claimed by what was known, and it is no longer so.
      if (scope.machine.metadata.deletionTimestamp || isPaused(scope.machine)) return REQUEUE_NOW;
      return await this.#reconcileNormal(scope);
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
    scope.summarize();
    await scope.save();
  }

  /** Makes all that a machine needs on its host, and not the machine: for whoever runs Terraform on its stack himself. */
  async prepare(key: ObjectKey): Promise<void> {
    const machine = await this.#parts.store.get(MachineKind, key);
    if (!machine) return;
    const scope = new MachineScope(this.#parts.store, machine);
    await scope.claim(false);
    const { placed, resolved } = await this.#resolve(scope);
    await requireNoConflict(this.#parts, scope, placed);
    await prepareHost(this.#parts, scope, placed, resolved);
    await scope.save();
  }

  async #resolve(scope: MachineScope): Promise<{ placed: PlacedMachine; resolved: ResolvedMachine }> {
    const { resolver } = this.#parts;
    const placed = await scope.step('HostReady', () => resolver.place(scope.machine));
    // Before anything asks a host that does not answer.
    await scope.step('HostReady', async () => cachedDomain(this.#parts, placed));
    const seed = await scope.step('BootstrapDataReady', () => resolver.seed(placed));
    scope.setCondition('BootstrapDataReady', 'True', 'AsSpecified');
    return { placed, resolved: await scope.step('HostReady', () => resolver.resolve(placed, seed)) };
  }

  async #reconcileNormal(scope: MachineScope): Promise<Result> {
    const isNew = scope.providerStatus.appliedHash === undefined;
    if (isNew) this.#parts.actuator.warm();
    const { placed, resolved: found } = await this.#resolve(scope);
    const observed = isNew
      ? undefined
      : await scope.step(
          'HostReady',
          async () => cachedDomain(this.#parts, placed) ?? (await observeDomain(this.#parts, placed)),
        );
    if (!isNew) scope.setCondition('HostReady', 'True', 'AsSpecified');
    const resolved = withObservedMacs(found, observed);
    if (resolved !== found) scope.keepAddresses(resolved.pinned);
    const asked = pendingChange(scope, resolved);
    const seen = isNew ? undefined : visibleDrift(placed, observed);
    // A domain that is gone is drift whatever else was asked for.
    if (asked !== undefined && seen?.kind !== 'lost')
      return this.#make(scope, placed, resolved, observed, asked);
    if (seen !== undefined) return this.#repair(scope, placed, resolved, observed, seen);
    const lost = await this.#stateIsLost(scope);
    if (lost !== undefined) return this.#make(scope, placed, resolved, observed, lost);
    const look = await detectPlanDrift(this.#parts, scope, resolved);
    if (look.drift) {
      // Of what happened to the domain meanwhile libvirt says more than Terraform: who stopped it, for one.
      const now = await observeDomain(this.#parts, placed);
      return this.#repair(scope, placed, resolved, now, { ...look.drift, ...visibleDrift(placed, now) });
    }
    return finishReconcile(this.#parts, scope, placed, observed, { requeueAfterMs: look.requeueAfterMs });
  }

  /** Because somebody asked for it. */
  async #make(
    scope: MachineScope,
    placed: PlacedMachine,
    resolved: ResolvedMachine,
    observed: DomainObservation | undefined,
    reason: string,
  ): Promise<Result> {
    if (await awaitsApproval(this.#parts, scope, resolved))
      return finishReconcile(this.#parts, scope, placed, observed, {
        awaitsApproval: true,
        isApplied: false,
      });
    if (!(await scope.isCurrent())) return REQUEUE_NOW;
    if (observed === undefined) await refuseSecondDomain(this.#parts, scope, placed);
    const now = await rescheduleOnHostFailure(this.#parts, scope, placed, () =>
      applyMachine(this.#parts, scope, placed, resolved, reason),
    );
    await this.#claimMade(scope);
    return finishReconcile(this.#parts, scope, placed, now);
  }

  /** Because somebody else changed what is on the host. */
  async #repair(
    scope: MachineScope,
    placed: PlacedMachine,
    resolved: ResolvedMachine,
    observed: DomainObservation | undefined,
    drift: Drift,
  ): Promise<Result> {
    const { repair } = this.#parts;
    if (!(await scope.isCurrent())) return REQUEUE_NOW;
    if (mayHaveMoved(drift, observed)) await refuseSecondDomain(this.#parts, scope, placed);
    const gate = (await repair?.gate(scope, placed, drift)) ?? { open: true };
    if (!gate.open)
      return finishReconcile(this.#parts, scope, placed, observed, { requeueAfterMs: gate.requeueAfterMs });
    if (await awaitsApproval(this.#parts, scope, resolved, drift))
      return finishReconcile(this.#parts, scope, placed, observed, { awaitsApproval: true });
    const run = (options: UpdateOptions) =>
      applyMachine(this.#parts, scope, placed, resolved, drift.text, options);
    const replaceDomain = drift.replacesDomain ?? false;
    const now = await (repair ? repair.run(scope, drift, run) : run({ replaceDomain }));
    await this.#claimMade(scope);
    return finishReconcile(this.#parts, scope, placed, now);
  }

  /** The providerID makes another generation of the spec, of which the same is true as of the one before. */
  async #claimMade(scope: MachineScope): Promise<void> {
    await scope.claim(true);
    scope.setCondition('BootstrapDataReady', 'True', 'AsSpecified');
    scope.setCondition('HostReady', 'True', 'AsSpecified');
  }

  async #stateIsLost(scope: MachineScope): Promise<string | undefined> {
    const isLost = await this.#parts.hasIncompleteState?.(scope.identity);
    return isLost ? 'its Terraform state does not hold all of it' : undefined;
  }

  async #reportFailure(scope: MachineScope, error: unknown): Promise<void> {
    if (!(error instanceof CaplvError)) return;
    scope.summarize();
    // A Conflict is no fault, and the next try, which follows at once, goes by what is so now. Nor is the wait for another machine's work.
    if (error.code !== 'Conflict' && error.missing?.kind !== 'lock') {
      const { code, message } = error;
      this.#parts.recorder.event(scope.machine, { type: 'Warning', reason: code, message });
    }
    await scope.save();
  }
}

/** What was asked for, in a few words for an event; undefined: nothing that was not applied. */
function pendingChange(scope: MachineScope, { intent }: ResolvedMachine): string | undefined {
  const { appliedHash } = scope.providerStatus;
  if (appliedHash === undefined) return 'the machine is new';
  return appliedHash === intentHash(intent) ? undefined : 'the specification changed';
}
