/** Counts what MachineHealthChecks have done, and where they are held back. */

import type { MachineHealthCheck } from '../../api/kinds/machine-health-check.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** What MachineHealthChecks have done, and where they are stopped from doing more. */
export class HealthCheckMetrics {
  /** By the check: `namespace` and `name`. */
  readonly remediations;

  /** `checks`: all that there are, whenever the metrics are read. */
  constructor(metrics: Metrics, checks: () => readonly MachineHealthCheck[]) {
    const labels = ['namespace', 'name'];
    this.remediations = metrics.counter(
      'caplv_health_check_remediations_total',
      'Machines that a MachineHealthCheck deleted, to be replaced.',
      labels,
    );
    const held = metrics.gauge(
      'caplv_health_check_held',
      '1 for a MachineHealthCheck that replaces nothing now, by reason of its condition RemediationAllowed.',
      [...labels, 'reason'],
    );
    metrics.onCollect(() => {
      held.clear();
      const present = checks().map(({ metadata: { namespace = 'default', name } }) => ({ namespace, name }));
      this.remediations.retain(present);
      for (const { metadata, status } of checks()) {
        const condition = findCondition({ status }, 'RemediationAllowed');
        if (condition?.status !== 'False') continue;
        const { namespace = 'default', name } = metadata;
        held.set(1, { namespace, name, reason: condition.reason });
      }
    });
  }
}
