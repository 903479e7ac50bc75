/** What a command says: data on stdout, messages on stderr, colour only where it is wanted. */

import { styleText } from 'node:util';

export interface Streams {
  /** Data: the one thing that a pipe reads. */
  out(text: string): void;
  /** A message for the person, one line. */
  say(message: string): void;
  /** A message only with -v. */
  detail(message: string): void;
  readonly style: Style;
}

export type Style = (format: 'bold' | 'dim' | 'green' | 'yellow' | 'red', text: string) => string;

export function openTerminal(options: { readonly color: boolean; readonly verbose: boolean }): Streams {
  const colored =
    options.color &&
    !process.env['NO_COLOR'] &&
    (process.stderr.isTTY || Boolean(process.env['FORCE_COLOR']));
  return {
    out: (text) => void process.stdout.write(text.endsWith('\n') ? text : `${text}\n`),
    say: (message) => void process.stderr.write(`${message}\n`),
    detail: (message) => {
      if (options.verbose) process.stderr.write(`${message}\n`);
    },
    style: (format, text) => (colored ? styleText(format, text, { validateStream: false }) : text),
  };
}
