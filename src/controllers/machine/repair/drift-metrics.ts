/** Counts drift, repairs and plans. */

import type { Metrics } from '../../../telemetry/metrics.ts';

/** What is counted of drift and of what is done about it. */
export class DriftMetrics {
  /** By kind, see Drift. */
  readonly detected;
  /** By kind, and `done` or `failed`. */
  readonly repairs;
  /** Drift that is not repaired, or not yet, by reason of the condition; each machine once a time. */
  readonly held;
  /** By `same`, `drifted` or `failed`. */
  readonly plans;
  /** Of these those that took a terraform, by `PlanReason`. */
  readonly fallbacks;

  constructor(metrics: Metrics) {
    this.detected = metrics.counter(
      'caplv_drift_detected_total',
      'Machines that were found to have drifted.',
      ['kind'],
    );
    this.repairs = metrics.counter('caplv_repairs_total', 'Repairs by kind of drift and outcome.', [
      'kind',
      'result',
    ]);
    this.held = metrics.counter('caplv_repairs_held_total', 'Repairs that were not started, by reason.', [
      'reason',
    ]);
    this.plans = metrics.counter('caplv_periodic_plans_total', 'Periodic plans by outcome.', ['result']);
    this.fallbacks = metrics.counter(
      'caplv_periodic_plan_runs_total',
      'Periodic plans for which Terraform was run, by the reason: what it goes by was not known to be unchanged.',
      ['reason'],
    );
  }
}
