/** Progress of long work as lines on stderr: what is done to which machine, and how long each step took. */

import { type ActuatorEvent, recoveredFrom } from '../../actuator/options.ts';
import type { Recorder } from '../../controllers/shared/recorder.ts';
import type { Streams, Style } from './streams.ts';

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

/** A name in front of each line tells machines apart that are worked on at once. */
export class Progress {
  readonly #terminal: Streams;

  constructor(terminal: Streams) {
    this.#terminal = terminal;
  }

  line(subject: string, text: string): void {
    this.#terminal.say(`${this.#terminal.style('bold', subject)}  ${text}`);
  }

  event(subject: string, event: ActuatorEvent): void {
    const { style } = this.#terminal;
    const text = describe(event, style);
    if (event.type === 'started') this.#terminal.detail(`${subject}  ${text}`);
    else this.line(subject, text);
  }
}

function describe(event: ActuatorEvent, style: Style): string {
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
      return `still ${DOING[event.action] ?? event.action} ${event.address} (${seconds(event.elapsedMs)})`;
    case 'completed':
      return `${DONE[event.action] ?? event.action} ${event.address} ${style('dim', `(${seconds(event.elapsedMs)})`)}`;
    case 'failed':
      return style('red', `failed: ${event.action} ${event.address}`);
    case 'warning':
      return style('yellow', `warning: ${event.diagnostic.summary}`);
    case 'state_recovered':
      return `brought the lost Terraform state ${recoveredFrom(event)}`;
    case 'state_set_aside':
      return style(
        'yellow',
        `warning: a killed run left a part of a state; it is kept aside in ${event.place}`,
      );
    case 'state_not_kept':
      return style('yellow', `warning: the state could not be added to its history: ${event.reason}`);
    case 'state_superseded':
      return style(
        'yellow',
        'warning: a state that could not be saved earlier is older than the one that there is; it is in the history',
      );
    case 'leftovers_removed':
      return `removed what an interrupted run left: ${event.names.join(', ')}`;
    case 'image_transferred':
      return `transferred ${event.volume}: ${event.bytes} bytes, sha256:${event.sha256}`;
    case 'shutdown_requested':
      return `asked the guest to shut down (at most ${seconds(event.timeoutMs)})`;
    case 'shutdown_timeout':
      return style('yellow', 'the guest did not shut down in time');
  }
}

/** Controllers' events, for -v. */
export function terminalRecorder(terminal: Streams): Recorder {
  return {
    event: ({ metadata }, { type, reason, message }) =>
      terminal.detail(`${metadata.name}  ${type === 'Warning' ? 'warning ' : ''}${reason}: ${message}`),
  };
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`;
}
