/** What a command says: data on stdout, messages on stderr, colour only where it is wanted. */

import { styleText } from 'node:util';
import { printable } from '../../telemetry/printable.ts';

export interface Streams {
  /** Data: the one thing that a pipe reads. */
  out(text: string): void;
  /** A message for the person, one line. */
  say(message: string): void;
  /** A message only with -v. */
  detail(message: string): void;
  readonly style: Style;
}

/** Of `style`, until the text is written: characters that Unicode keeps for such use, and that no text has. */
const MARKS = [
  ['bold', '\ufdd0', '\ufdd1'],
  ['dim', '\ufdd2', '\ufdd3'],
  ['green', '\ufdd4', '\ufdd5'],
  ['yellow', '\ufdd6', '\ufdd7'],
  ['red', '\ufdd8', '\ufdd9'],
] as const;

export type Style = (format: 'bold' | 'dim' | 'green' | 'yellow' | 'red', text: string) => string;

export function openTerminal(options: { readonly color: boolean; readonly verbose: boolean }): Streams {
  const colored =
    options.color &&
    !process.env['NO_COLOR'] &&
    (process.stderr.isTTY || Boolean(process.env['FORCE_COLOR']));
  const say = (message: string) => void process.stderr.write(`${shown(message, colored)}\n`);
  return {
    out: (text) => void process.stdout.write(shown(text.endsWith('\n') ? text : `${text}\n`, colored)),
    say,
    detail: (message) => {
      if (options.verbose) say(message);
    },
    style,
  };
}

function style(format: Parameters<Style>[0], text: string): string {
  const [, begin = '', end = ''] = MARKS.find(([name]) => name === format) ?? [];
  return `${begin}${text}${end}`;
}

/** Returns the text as a terminal may have it: the only commands in it are our own colours. */
function shown(text: string, colored: boolean): string {
  let shown = printable(text);
  for (const [format, begin, end] of MARKS) {
    const [on = '', off = ''] = colored ? styleText(format, '|', { validateStream: false }).split('|') : [];
    shown = shown.replaceAll(begin, on).replaceAll(end, off);
  }
  return shown;
}
