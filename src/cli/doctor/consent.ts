/** Asks a person on the terminal for a yes or no. */

import { createInterface } from 'node:readline/promises';
import { TerminalError } from '../../errors.ts';
import { printable } from '../../telemetry/printable.ts';

/** Returns whether there is a person to ask. */
export function canAsk(): boolean {
  return Boolean(process.stdin.isTTY && process.stderr.isTTY);
}

/** Returns true for `y` or `yes`. The end of the input counts as no; Ctrl-C throws TerminalError Interrupted. */
export async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const ended = Promise.withResolvers<string>();
  terminal.on('close', () => ended.resolve(''));
  terminal.on('SIGINT', () =>
    ended.reject(
      new TerminalError({ code: 'Interrupted', message: 'interrupted; nothing more was changed' }),
    ),
  );
  try {
    const answer = await Promise.race([terminal.question(printable(`${question} [y/N] `)), ended.promise]);
    return /^\s*y(es)?\s*$/i.test(answer);
  } finally {
    terminal.close();
  }
}
