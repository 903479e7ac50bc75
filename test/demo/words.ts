/** Prints the texts of the demos, and finds the program that they run. */

import { fileURLToPath } from 'node:url';

export const BIN = fileURLToPath(new URL('../../dist/bin.js', import.meta.url));

/** The command that comes next, as a user would type it. */
export function show(command: string): void {
  say(`\n$ ${command}`);
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
