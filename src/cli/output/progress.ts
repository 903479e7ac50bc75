/** Progress of long work as lines on stderr: what is done to which machine, and how long each step took. */

import type { ActuatorEvent } from '../../actuator/context/options.ts';
import { eventText } from '../../actuator/event-text.ts';
import type { Recorder } from '../../controllers/shared/recorder.ts';
import type { Streams, Style } from './streams.ts';

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
    const text = styled(event, style);
    if (event.type === 'started') this.#terminal.detail(`${subject}  ${text}`);
    else this.line(subject, text);
  }
}

function styled(event: ActuatorEvent, style: Style): string {
  switch (event.type) {
    case 'failed':
      return style('red', eventText(event));
    case 'warning':
    case 'state_set_aside':
    case 'state_not_kept':
    case 'state_superseded':
    case 'shutdown_timeout':
      return style('yellow', `warning: ${eventText(event)}`);
    default:
      return eventText(event);
  }
}

/** Controllers' events, for -v. */
export function terminalRecorder(terminal: Streams): Recorder {
  return {
    event: ({ metadata }, { type, reason, message }) =>
      terminal.detail(`${metadata.name}  ${type === 'Warning' ? 'warning ' : ''}${reason}: ${message}`),
  };
}
