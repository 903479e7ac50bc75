/**
 * Every condition type and reason of MachineHealthChecks, explained. Further reasons are the error codes of src/errors.ts,
 * and those that reasons.ts explains.
 */

import type { ErrorCode } from '../../errors.ts';
import type { Reason } from '../shared/conditions.ts';

export const HEALTH_CONDITIONS = {
  Ready: 'All selected machines are healthy. The message names those that are not.',
  RemediationAllowed: 'Unhealthy machines are replaced.',
} as const;

export type HealthConditionType = keyof typeof HEALTH_CONDITIONS;

export const HEALTH_REASONS = {
  MachinesNotHealthy: 'Some machines are unhealthy, but not yet for long enough to be replaced.',
  MachinesUnhealthy: 'Some machines have been unhealthy for too long; the message says what happens to each.',
  TooManyUnhealthy: 'More machines are unhealthy than `maxUnhealthy` allows: none is replaced.',
  RepairsHeld:
    'The repair budget of a host or MachineSet is used up: no machine is replaced until you allow it.',
} as const;

export type HealthReason =
  | keyof typeof HEALTH_REASONS
  | Extract<Reason, 'AsSpecified' | 'Paused'>
  | ErrorCode;
