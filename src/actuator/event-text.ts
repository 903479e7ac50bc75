/** Says what happens while a verb of the actuator runs, in a sentence for people: for progress, events and logs. */

import { formatSeconds } from '../system/duration.ts';
import type { ActuatorEvent, StateRecovered } from './context/options.ts';

/** Words for what Terraform does. */
const DOING: Readonly<Record<string, string>> = {
  create: 'creating',
  update: 'changing',
  delete: 'removing',
  replace: 'replacing',
};
const DONE: Readonly<Record<string, string>> = {
  create: 'created',
  update: 'changed',
  delete: 'removed',
  replace: 'replaced',
};

/** Returns one line of plain text. */
export function eventText(event: ActuatorEvent): string {
  switch (event.type) {
    case 'waiting':
      return `waiting for ${event.holder.who} (${event.holder.operation}, since ${event.holder.since})`;
    case 'initializing':
      return 'terraform init';
    case 'retrying':
      return `starting again: ${event.reason}`;
    case 'started':
      return `${DOING[event.action] ?? event.action} ${event.address}`;
    case 'progress':
      return `still ${DOING[event.action] ?? event.action} ${event.address} (${formatSeconds(event.elapsedMs)})`;
    case 'completed':
      return `${DONE[event.action] ?? event.action} ${event.address} in ${formatSeconds(event.elapsedMs)}`;
    case 'failed':
      return `failed: ${event.action} ${event.address}`;
    case 'warning':
      return event.diagnostic.summary;
    case 'state_recovered':
      return `brought the lost Terraform state ${recoveredFrom(event)}`;
    case 'state_set_aside':
      return `a killed run left a part of a Terraform state; it is kept aside in ${event.place}`;
    case 'state_not_kept':
      return `the state could not be added to its history: ${event.reason}`;
    case 'state_superseded':
      return 'a state that could not be saved earlier is older than the one that there is by now; see caplv state history';
    case 'leftovers_removed':
      return `removed what an interrupted run left: ${event.names.join(', ')}`;
    case 'image_progress':
      return `${event.doing} ${event.volume}: ${progressText(event)}`;
    case 'image_transferred':
      return `transferred ${event.volume}: ${event.bytes} bytes, sha256:${event.sha256}`;
    case 'disk_grown':
      return `grew disk ${event.disk} in place to ${event.bytes / 1024 ** 3} GB`;
    case 'shutdown_requested':
      return `asked the guest to shut down, at most ${formatSeconds(event.timeoutMs)}`;
    case 'shutdown_timeout':
      return 'the guest did not shut down in time';
  }
}

/** `45 % (1.2 of 2.7 GB)`. */
function progressText({
  bytes,
  totalBytes,
}: {
  readonly bytes: number;
  readonly totalBytes: number;
}): string {
  const [unit, name] = totalBytes < 1024 ** 3 ? [1024 ** 2, 'MB'] : [1024 ** 3, 'GB'];
  const [done, all] = [bytes, totalBytes].map((count) => (count / unit).toFixed(1));
  return `${Math.floor((100 * bytes) / Math.max(totalBytes, 1))} % (${done} of ${all} ${name})`;
}

/** `of qemu:///system back from serial 3`. */
function recoveredFrom({ host, from, objects }: StateRecovered): string {
  return [...(host === undefined ? [] : ['of', host]), 'back from', from, ...objects].join(' ');
}
