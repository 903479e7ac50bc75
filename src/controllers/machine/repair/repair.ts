/**
 * What is done about drift, and when: noticed and told at once, repaired as spec.repair allows, less and less often when it does
 * not hold, and not at all while the budget says that too many machines of a host or set are lost at once.
 */

import type { UpdateOptions } from '../../../actuator/context/options.ts';
import { destructiveChanges } from '../../../actuator/plan/replace-guard.ts';
import type { PlanReason } from '../../../actuator/plan/unchanged-machines.ts';
import { TerminalError } from '../../../errors.ts';
import { domainName } from '../../../intent/names.ts';
import type { AllowedHost } from '../../../system/allowed-host.ts';
import { formatSeconds } from '../../../system/duration.ts';
import type { Plan } from '../../../terraform/format/plan.ts';
import type { Recorder } from '../../shared/recorder.ts';
import type { RepairBudget } from '../../shared/repair-budget.ts';
import type { PlacedMachine } from '../scope/placed-machine.ts';
import type { MachineScope } from '../scope/scope.ts';
import { nextRow, type RepairRow, repairDelayMs } from './backoff.ts';
import type { DriftMetrics } from './drift-metrics.ts';
import { type Drift, repairPolicy } from './policy.ts';

export interface MachineRepairOptions {
  readonly budget: RepairBudget;
  readonly recorder: Recorder;
  readonly metrics: DriftMetrics;
  /** Whether the host has a domain of this name, as its watch knows; undefined: it has not looked yet. */
  readonly hasDomain: (uri: AllowedHost, domain: string) => boolean | undefined;
}

/** `open`: repair it now. */
export type Gate = { readonly open: true } | { readonly open: false; readonly requeueAfterMs?: number };

export interface RepairAttempt {
  readonly options: UpdateOptions;
  /** Counts and tells what has succeeded. */
  readonly done: () => Promise<void>;
  /** Keeps a refusal in the conditions. */
  readonly failed: (error: unknown) => void;
}

type HeldReason = 'NotRepaired' | 'CrashLoopBackOff' | 'RepairsHeld';

/** A watch looks at its host as soon as it is connected. */
const LOOK_MS = 1_000;

/** The repairs of a controller. A command repairs what it is told to, and asks nobody. */
export class MachineRepair {
  readonly #options: MachineRepairOptions;

  constructor(options: MachineRepairOptions) {
    this.#options = options;
  }

  /** Tells of the drift, and decides whether its repair may begin. A closed gate is in the conditions. */
  async gate(scope: MachineScope, placed: PlacedMachine, drift: Drift): Promise<Gate> {
    this.#notice(scope, drift);
    const policy = repairPolicy(scope.machine);
    if (policy === 'Never') return this.#hold(scope, drift, 'NotRepaired', 'spec.repair is Never');
    if (drift.kind === 'paused') {
      const domain = domainName(placed.identity);
      const fix = `nothing is missing, and it stays paused until you resume it: virsh resume ${domain}`;
      return this.#hold(scope, drift, 'NotRepaired', fix);
    }
    const now = Date.now();
    const { repairs } = scope.providerStatus;
    const waitMs = repairDelayMs(repairs, now);
    if (waitMs > 0) {
      const next = new Date(now + waitMs).toISOString();
      const message = `repaired ${repairs?.count} times in a row, last at ${repairs?.time}; the next try is at ${next}`;
      return { ...this.#hold(scope, drift, 'CrashLoopBackOff', message), requeueAfterMs: waitMs };
    }
    if (drift.kind === 'lost') {
      const has = this.#options.hasDomain(placed.site.uri, domainName(placed.identity));
      // One machine that is gone says nothing of the others of its host.
      if (has === undefined) return { open: false, requeueAfterMs: LOOK_MS };
      const verdict = await this.#options.budget.take(scope.machine);
      if (!verdict.allowed) return this.#hold(scope, drift, 'RepairsHeld', verdict.message);
    }
    // What was refused before is most likely refused again, and that would be no news.
    if (scope.condition('Drifted')?.reason !== 'NotRepaired')
      scope.setCondition('Drifted', 'True', 'Repairing', drift.detail);
    return { open: true };
  }

  /** A periodic plan takes a terraform. */
  planning(reason: PlanReason): void {
    this.#options.metrics.fallbacks.inc({ reason });
  }

  /** A periodic plan has ended. */
  planned(found: boolean): void {
    this.#options.metrics.plans.inc({ result: found ? 'drifted' : 'same' });
  }

  /** What one repair may do, and what is to be told of its end. */
  begin(scope: MachineScope, drift: Drift): RepairAttempt {
    const { metrics, recorder } = this.#options;
    const { kind } = drift;
    const started = performance.now();
    let row: RepairRow | undefined;
    // Before anything is changed. A plan that a person approved is that person's.
    const review = async (plan: Plan, isApproved: boolean) => {
      const isRecreated = recreates(plan);
      // For what is gone the budget was asked before anything was prepared.
      if (isRecreated && !isApproved && kind !== 'lost') {
        const verdict = await this.#options.budget.take(scope.machine);
        if (!verdict.allowed) throw new TerminalError({ code: 'RepairsHeld', message: verdict.message });
      }
      row = await this.#count(scope, isRecreated);
    };
    const allowReplace = repairPolicy(scope.machine) === 'Always';
    return {
      options: { allowReplace, replaceDomain: drift.replacesDomain ?? false, review },
      done: async () => {
        // Nothing to review: no state, or Terraform sees no difference and so will not mend it the next time, either.
        if (!row) await this.#count(scope, kind === 'lost');
        metrics.repairs.inc({ kind, result: 'done' });
        const message = `${drift.text}; took ${formatSeconds(performance.now() - started)}`;
        recorder.event(scope.machine, { type: 'Normal', reason: 'Repaired', message });
      },
      failed: (error) => {
        if (!(error instanceof TerminalError)) return metrics.repairs.inc({ kind, result: 'failed' });
        const reason = error.code === 'RepairsHeld' ? error.code : 'NotRepaired';
        this.#hold(scope, drift, reason, [error.message, error.fix].filter(Boolean).join('; '));
      },
    };
  }

  /** Written down before the first change: a crash in between must not be a repair that nobody counts. */
  async #count(scope: MachineScope, isRecreated: boolean): Promise<RepairRow> {
    const row = nextRow(scope.providerStatus.repairs, Date.now());
    scope.setProviderStatus({ repairs: row, ...(isRecreated ? { lastRecreated: row.time } : {}) });
    await scope.checkpoint();
    return row;
  }

  #notice(scope: MachineScope, { kind, text, detail }: Drift): void {
    const before = scope.condition('Drifted');
    const isKnown = before?.status === 'True' && before.reason !== 'NotAsSpecified';
    if (isKnown && before.message.startsWith(text)) return;
    this.#options.metrics.detected.inc({ kind });
    this.#options.recorder.event(scope.machine, { type: 'Warning', reason: 'Drifted', message: detail });
    scope.setCondition('Drifted', 'True', 'Repairing', detail);
  }

  #hold(scope: MachineScope, drift: Drift, reason: HeldReason, why: string): { readonly open: false } {
    const isNews = scope.condition('Drifted')?.reason !== reason;
    scope.setCondition('Drifted', 'True', reason, `${drift.detail}; ${why}`);
    if (isNews) {
      this.#options.metrics.held.inc({ reason });
      const message = `${drift.detail}; ${why}`;
      this.#options.recorder.event(scope.machine, { type: 'Warning', reason, message });
    }
    return { open: false };
  }
}

/** The guest starts anew, at least from its power button. */
function recreates(plan: Plan): boolean {
  return (
    destructiveChanges(plan).length > 0 ||
    plan.changes.some(({ type, action }) => type === 'libvirt_domain' && action === 'create')
  );
}
