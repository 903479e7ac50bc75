/** While a Machine's work waits for somebody else's lock, its condition says for whose, and since when he has it. */

import type { ActuatorEvent } from '../../actuator/context/options.ts';
import type { Condition } from '../../apimachinery/conditions.ts';
import type { LockHolder } from '../../system/lock-holder.ts';
import type { ConditionType, Reason } from '../shared/conditions.ts';
import type { MachineDependencies } from './dependencies.ts';
import { MachineScope } from './scope/scope.ts';

/** Runs `work`, which tells `onEvent` what happens, and passes that on. */
export async function tellingOfLocks<T>(
  { store, log, onProgress }: Pick<MachineDependencies, 'store' | 'log' | 'onProgress'>,
  scope: MachineScope,
  type: ConditionType,
  work: (onEvent: (event: ActuatorEvent) => void) => Promise<T>,
): Promise<T> {
  const told = scope.machine;
  // Of its own: the work goes on when the lock is free, whether or not this is written by then.
  const aside = new MachineScope(store, { ...told, status: structuredClone(scope.status) });
  const before = scope.condition(type) ?? { status: 'False', reason: 'Provisioning', message: '' };
  let isWaiting = false;
  let written = Promise.resolve();
  const say = ({ status, reason, message }: Pick<Condition, 'status' | 'reason' | 'message'>) => {
    aside.setCondition(type, status, reason as Reason, message);
    aside.summarize();
    // Who cannot write this cannot write the end of it either, and that is an error then.
    const write = () =>
      aside.save().catch((error) => log?.debug('Could not tell who holds a lock', { error }));
    written = written.then(write);
  };
  try {
    return await work((event) => {
      onProgress?.(scope.key, event);
      if (event.type === 'waiting') {
        isWaiting = true;
        say({ status: 'False', reason: 'StateLocked', message: waitingFor(event.holder) });
      } else if (isWaiting) {
        isWaiting = false;
        say(before);
      }
    });
  } finally {
    await written;
    // What is written last is compared with what is there.
    if (scope.machine === told) scope.machine = aside.machine;
  }
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
