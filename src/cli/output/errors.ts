/** How an error looks on the terminal: what is wrong, where, and the fix; a stack only for our own mistakes, with -v. */

import { ManifestError } from '../../api/manifest/error.ts';
import { CaplvError, messageOf } from '../../errors.ts';
import { ApiError } from '../../kube/client/api-error.ts';
import type { Streams } from './streams.ts';

export function reportError(terminal: Streams, error: unknown, subject?: string): void {
  const prefix = `${terminal.style('red', 'error:')} ${subject === undefined ? '' : `${subject}: `}`;
  if (error instanceof ManifestError) {
    terminal.say(`${prefix}${error.message}`);
  } else if (error instanceof CaplvError) {
    terminal.say(
      `${prefix}${error.path === undefined ? '' : `${error.path}: `}${error.message} [${error.code}]`,
    );
    if (error.fix !== undefined) terminal.say(`  ${terminal.style('bold', 'fix:')} ${error.fix}`);
  } else if (error instanceof ApiError) {
    terminal.say(`${prefix}${error.message} [${error.reason}]`);
    if (error.fix !== undefined) terminal.say(`  ${terminal.style('bold', 'fix:')} ${error.fix}`);
  } else {
    terminal.say(`${prefix}${messageOf(error)}`);
    terminal.say('  This is a bug in caplv. Please report it with the output of the same command with -v.');
    if (error instanceof Error && error.stack) terminal.detail(error.stack);
  }
}
