/** Steps of an operation as events of the Machine, each with how long it took. */

import { type ActuatorEvent, recoveredFrom } from '../../actuator/options.ts';

interface Told {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

const DONE: Readonly<Record<string, string>> = {
  create: 'Made',
  update: 'Changed',
  delete: 'Removed',
  replace: 'Replaced',
};

/** Undefined for what only someone who waits wants to know. */
export function describeEvent(event: ActuatorEvent): Told | undefined {
  switch (event.type) {
    case 'completed': {
      // terraform_data only remembers what a replacement depends on.
      if (event.address.startsWith('terraform_data.')) return undefined;
      const message = `${event.address} in ${seconds(event.elapsedMs)}`;
      return { type: 'Normal', reason: DONE[event.action] ?? 'Done', message };
    }
    case 'failed':
      return { type: 'Warning', reason: 'Failed', message: `${event.action} of ${event.address}` };
    case 'warning':
      return { type: 'Warning', reason: 'TerraformWarning', message: event.diagnostic.summary };
    case 'state_recovered':
      return {
        type: 'Warning',
        reason: 'StateRecovered',
        message: `brought the lost Terraform state ${recoveredFrom(event)}`,
      };
    case 'state_set_aside':
      return { type: 'Warning', reason: 'StateSetAside', message: `${SET_ASIDE} ${event.place}` };
    case 'state_not_kept':
      return { type: 'Warning', reason: 'StateNotKept', message: event.reason };
    case 'state_superseded':
      return { type: 'Warning', reason: 'StateSuperseded', message: SUPERSEDED };
    case 'leftovers_removed':
      return { type: 'Normal', reason: 'LeftoversRemoved', message: event.names.join(', ') };
    case 'image_transferred':
      return {
        type: 'Normal',
        reason: 'ImageTransferred',
        message: `${event.volume}: ${event.bytes} bytes, sha256:${event.sha256}`,
      };
    case 'shutdown_requested':
      return {
        type: 'Normal',
        reason: 'ShuttingDown',
        message: `asked the guest to shut down, at most ${seconds(event.timeoutMs)}`,
      };
    case 'shutdown_timeout':
      return { type: 'Warning', reason: 'ShutdownTimeout', message: 'the guest did not shut down in time' };
    default:
      return undefined;
  }
}

const SET_ASIDE = 'a killed run left a part of a Terraform state; it is kept aside in';
const SUPERSEDED =
  'a state that could not be saved earlier is older than the one that there is by now; see caplv state history';

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
