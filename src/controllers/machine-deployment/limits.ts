/** How far a rollout may go from `replicas`, up and down, as numbers of machines. */

import type { MachineDeploymentSpec } from '../../api/kinds/machine-deployment.ts';
import { isForOneMachine } from '../../api/kinds/machine-template.ts';
import { countOf } from '../../api/schema/count-or-percent.ts';

export interface RolloutLimits {
  /** Machines that there may be beyond replicas. */
  readonly maxSurge: number;
  /** Machines of replicas that may be missing. */
  readonly maxUnavailable: number;
}

/** Of a template for one machine the old one goes first: the new one could not be made beside it, or not be reached. */
export function rolloutLimits(
  spec: Pick<MachineDeploymentSpec, 'replicas' | 'strategy' | 'template'>,
): RolloutLimits {
  return isForOneMachine(spec.template) ? { maxSurge: 0, maxUnavailable: 1 } : strategyLimits(spec);
}

/** Percentages are of replicas: surge rounded up, unavailable rounded down. If both come to 0, one machine may be missing. */
export function strategyLimits({
  replicas,
  strategy,
}: Pick<MachineDeploymentSpec, 'replicas' | 'strategy'>): RolloutLimits {
  const { maxSurge, maxUnavailable } = strategy?.rollingUpdate ?? { maxSurge: 1, maxUnavailable: 0 };
  const surge = countOf(maxSurge, replicas, Math.ceil);
  const missing = Math.min(countOf(maxUnavailable, replicas, Math.floor), replicas);
  return { maxSurge: surge, maxUnavailable: surge === 0 && missing === 0 ? 1 : missing };
}
