/** While a Machine's work waits for somebody else's lock, or for its image, its condition says for whose, and how much of the image is there. */

import type { ActuatorEvent } from '../../actuator/context/options.ts';
import { eventText } from '../../actuator/event-text.ts';
import type { LockHolder } from '../../system/lock-holder.ts';
import type { ConditionType } from '../shared/conditions.ts';
import type { MachineDependencies } from './dependencies.ts';
import type { MachineScope } from './scope/scope.ts';

/**
 * Returns what is to be told of all that happens during some work, which belongs to this condition; passes it on. The condition says what
 * is waited for: a lock, or an image that is transferred.
 */
export function lockReporter(
  { log, onProgress }: Pick<MachineDependencies, 'log' | 'onProgress'>,
  scope: MachineScope,
  type: ConditionType,
): (event: ActuatorEvent) => void {
  let before: ActuatorEvent['type'] | undefined;
  return (event) => {
    onProgress?.(scope.key, event);
    // Of terraform, which waits for the image, too.
    if (before === 'image_progress' && event.type === 'progress') return;
    const waiting = waitOf(event);
    if (!waiting && before === undefined) return;
    before = waiting && event.type;
    // What cannot be written now cannot be written at the end, either, and that is an error then.
    scope.report(waiting && { type, ...waiting }).catch((error) => {
      log?.debug('Could not tell what is waited for', { error });
    });
  };
}

function waitOf(event: ActuatorEvent): { readonly reason: string; readonly message: string } | undefined {
  if (event.type === 'waiting') return { reason: 'StateLocked', message: waitingFor(event.holder) };
  return event.type === 'image_progress'
    ? { reason: 'ImportingImage', message: eventText(event) }
    : undefined;
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
