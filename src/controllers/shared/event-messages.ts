/** Steps of an operation as events of an object: each with a type, and a reason for programs. */

import type { ActuatorEvent } from '../../actuator/context/options.ts';
import { eventText } from '../../actuator/event-text.ts';
import type { ObjectEvent } from './recorder.ts';

const DONE: Readonly<Record<string, string>> = {
  create: 'Made',
  update: 'Changed',
  delete: 'Removed',
  replace: 'Replaced',
};

/** Undefined for what only someone who waits wants to know. */
export function describeEvent(event: ActuatorEvent): ObjectEvent | undefined {
  const reason = reasonOf(event);
  return reason && { type: reason[0], reason: reason[1], message: eventText(event) };
}

function reasonOf(event: ActuatorEvent): readonly [ObjectEvent['type'], string] | undefined {
  switch (event.type) {
    case 'completed':
      // terraform_data only remembers what a replacement depends on.
      if (event.address.startsWith('terraform_data.')) return undefined;
      return ['Normal', DONE[event.action] ?? 'Done'];
    case 'failed':
      return ['Warning', 'Failed'];
    case 'warning':
      return ['Warning', 'TerraformWarning'];
    case 'state_recovered':
      return ['Warning', 'StateRecovered'];
    case 'state_set_aside':
      return ['Warning', 'StateSetAside'];
    case 'state_not_kept':
      return ['Warning', 'StateNotKept'];
    case 'state_superseded':
      return ['Warning', 'StateSuperseded'];
    case 'leftovers_removed':
      return ['Normal', 'LeftoversRemoved'];
    case 'image_transferred':
      return ['Normal', 'ImageTransferred'];
    case 'shutdown_requested':
      return ['Normal', 'ShuttingDown'];
    case 'shutdown_timeout':
      return ['Warning', 'ShutdownTimeout'];
    default:
      return undefined;
  }
}
