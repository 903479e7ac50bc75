/**
 * Every condition type and reason of MachineHealthChecks, explained. Further reasons are the error codes of src/errors.ts,
 * and those that reasons.ts explains.
 */

import type { ErrorCode } from '../../errors.ts';
import type { Reason } from '../shared/conditions.ts';

export const HEALTH_CONDITIONS = {
  Ready: 'All machines that are checked are healthy. The message names those that are not.',
  RemediationAllowed: 'Unhealthy machines are replaced.',
} as const;

export type HealthConditionType = keyof typeof HEALTH_CONDITIONS;

export const HEALTH_REASONS = {
  MachinesNotHealthy: 'Some machines are not healthy, and not for long enough to be replaced.',
  MachinesUnhealthy: 'Some machines have been unhealthy for too long; the message says what becomes of each.',
  TooManyUnhealthy: 'More machines are not healthy than `maxUnhealthy` allows: nothing is replaced.',
  RepairsHeld:
    'The repair budget of a host or MachineSet is used up: nothing is replaced until a person says so.',
} as const;

export type HealthReason =
  | keyof typeof HEALTH_REASONS
  | Extract<Reason, 'AsSpecified' | 'Paused'>
  | ErrorCode;
