/** What the status of a MachineHealthCheck says of its machines. */

import type { Machine } from '../../api/kinds/machine.ts';
import type {
  MachineHealthCheck,
  MachineHealthCheckStatus,
  Remediation,
} from '../../api/kinds/machine-health-check.ts';
import { countOf } from '../../api/schema/count-or-percent.ts';
import { setCondition } from '../../apimachinery/conditions.ts';
import type { Health } from './health.ts';
import type { HealthConditionType, HealthReason } from './reasons.ts';

/** A machine that is checked, and what was found. */
export interface Checked {
  readonly machine: Machine;
  readonly health: Health;
}

/** What is done about an unhealthy machine, by its name: "replaced", or why not. */
export type Outcomes = ReadonlyMap<string, string>;

export interface Findings {
  readonly checked: readonly Checked[];
  readonly outcomes: Outcomes;
  readonly remediations: readonly Remediation[];
  /** Absent: allowed. */
  readonly held?: { readonly reason: 'TooManyUnhealthy' | 'RepairsHeld'; readonly message: string };
}

/** Machines that may be not healthy while unhealthy ones are replaced, and how many are. */
export function limitOf({ spec }: MachineHealthCheck, checked: readonly Checked[]) {
  const notHealthy = checked.filter(({ health }) => health.state !== 'healthy').length;
  return { notHealthy, most: countOf(spec.maxUnhealthy, checked.length, Math.floor) };
}

/** `check`: with its defaults. */
export function healthStatus(
  check: MachineHealthCheck,
  { checked, outcomes, remediations, held }: Findings,
  nowMs: number,
): MachineHealthCheckStatus {
  const { notHealthy, most } = limitOf(check, checked);
  const status: MachineHealthCheckStatus = {
    ...check.status,
    expectedMachines: checked.length,
    currentHealthy: checked.length - notHealthy,
    remediationsAllowed: held ? 0 : Math.max(0, most - notHealthy),
    targets: checked.map(({ machine }) => machine.metadata.name).sort(),
    remediations: [...remediations],
  };
  const told = withHealthCondition(check, status, 'Ready', ...readiness(checked, outcomes), nowMs);
  return withHealthCondition(
    check,
    told,
    'RemediationAllowed',
    held?.reason ?? 'AsSpecified',
    held?.message ?? '',
    nowMs,
  );
}

/** True for reason AsSpecified only. */
export function withHealthCondition(
  { metadata: { generation } }: MachineHealthCheck,
  status: MachineHealthCheckStatus,
  type: HealthConditionType,
  reason: HealthReason,
  message: string,
  nowMs: number,
): MachineHealthCheckStatus {
  const condition = { type, status: reason === 'AsSpecified' ? 'True' : 'False', reason, message } as const;
  return {
    ...status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: setCondition(status.conditions, condition, new Date(nowMs).toISOString()),
  };
}

/** The sick before those that may become it. */
function readiness(
  checked: readonly Checked[],
  outcomes: Outcomes,
): [reason: 'AsSpecified' | 'MachinesUnhealthy' | 'MachinesNotHealthy', message: string] {
  const unhealthy = checked.flatMap(({ machine: { metadata }, health }) =>
    health.state === 'unhealthy'
      ? `${metadata.name}: ${health.why}; ${outcomes.get(metadata.name) ?? 'to be replaced'}`
      : [],
  );
  const others = checked.flatMap(({ machine: { metadata }, health }) => {
    if (health.state === 'leaving') return `${metadata.name}: it is being deleted`;
    return health.state === 'waiting' ? `${metadata.name}: ${health.why}` : [];
  });
  const message = firstFew([...unhealthy, ...others]);
  if (unhealthy.length > 0) return ['MachinesUnhealthy', message];
  return others.length > 0 ? ['MachinesNotHealthy', message] : ['AsSpecified', ''];
}

function firstFew(told: readonly string[]): string {
  const most = 5;
  return [...told.slice(0, most), ...(told.length > most ? [`${told.length - most} more`] : [])].join('. ');
}
