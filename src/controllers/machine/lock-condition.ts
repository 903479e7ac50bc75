/** While a Machine's work waits for somebody else's lock, its condition says for whose, and since when he has it. */

import type { ActuatorEvent } from '../../actuator/context/options.ts';
import type { LockHolder } from '../../system/lock-holder.ts';
import type { ConditionType } from '../shared/conditions.ts';
import type { MachineDependencies } from './dependencies.ts';
import type { MachineScope } from './scope/scope.ts';

/** Returns what is to be told of all that happens during some work, which belongs to this condition; passes it on. */
export function lockReporter(
  { log, onProgress }: Pick<MachineDependencies, 'log' | 'onProgress'>,
  scope: MachineScope,
  type: ConditionType,
): (event: ActuatorEvent) => void {
  let isWaiting = false;
  return (event) => {
    onProgress?.(scope.key, event);
    if (event.type !== 'waiting' && !isWaiting) return;
    isWaiting = event.type === 'waiting';
    const lock =
      event.type === 'waiting'
        ? { type, reason: 'StateLocked', message: waitingFor(event.holder) }
        : undefined;
    // What cannot be written now cannot be written at the end, either, and that is an error then.
    scope.report(lock).catch((error) => log?.debug('Could not tell who holds a lock', { error }));
  };
}

/** What DomainReady says of the lock that a process, this or another, waits for; undefined: none does. */
export function lockWaitOf(scope: MachineScope): string | undefined {
  const condition = scope.condition('DomainReady');
  const isAtWork = scope.status.lastOperation?.state === 'Processing';
  return isAtWork && condition?.reason === 'StateLocked' ? condition.message : undefined;
}

function waitingFor({ who, operation, since }: LockHolder): string {
  return `waiting for the lock of ${who} (${operation}, since ${since})`;
}
