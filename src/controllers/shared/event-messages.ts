/** Steps of an operation as events of an object: each with a type, and a reason for programs. */

import type { ActuatorEvent } from '../../actuator/context/options.ts';
import { eventText } from '../../actuator/event-text.ts';
import { formatSeconds } from '../../system/duration.ts';
import type { ObjectEvent } from './recorder.ts';

const DONE: Readonly<Record<string, string>> = {
  create: 'Made',
  update: 'Changed',
  delete: 'Removed',
  replace: 'Replaced',
};

/**
 * Undefined for what only someone who waits wants to know. `isWhole`: the object is made or removed as a whole, and one event tells of
 * all its parts at the end.
 */
export function describeEvent(event: ActuatorEvent, { isWhole = false } = {}): ObjectEvent | undefined {
  if (isWhole && event.type === 'completed') return undefined;
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
    case 'disk_grown':
      return ['Normal', 'DiskGrown'];
    case 'shutdown_requested':
      return ['Normal', 'ShuttingDown'];
    case 'shutdown_timeout':
      return ['Warning', 'ShutdownTimeout'];
    default:
      return undefined;
  }
}

/** Collects what is completed, for the event at the end of a whole operation. */
export class CompletedParts {
  readonly #parts: string[] = [];

  take(event: ActuatorEvent): void {
    if (event.type !== 'completed' || event.address.startsWith('terraform_data.')) return;
    this.#parts.push(`${event.address} ${formatSeconds(event.elapsedMs)}`);
  }

  /** `: libvirt_volume.root 0.1 s, libvirt_domain.machine 0.5 s`; empty: there were none. */
  get text(): string {
    return this.#parts.length === 0 ? '' : `: ${this.#parts.join(', ')}`;
  }
}
