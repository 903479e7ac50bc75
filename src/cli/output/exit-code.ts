/** Exit codes of every command; `caplv --help` lists them. */

import { CaplvError } from '../../errors.ts';

export const EXIT = {
  ok: 0,
  /** The operation failed. */
  failed: 1,
  /** `plan`: there are changes. */
  changes: 2,
  /** Bad usage or a manifest that was refused; nothing was done. */
  refused: 3,
  /** The change would replace or delete a domain or disk, and no flag allows it. */
  replaceRefused: 4,
  /** --wait ended before the machine was ready. */
  notReady: 5,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof CaplvError)) return EXIT.failed;
  switch (error.code) {
    case 'InvalidConfiguration':
      return EXIT.refused;
    case 'ReplaceRefused':
      return EXIT.replaceRefused;
    case 'WaitTimeout':
      return EXIT.notReady;
    case 'Interrupted':
      return EXIT.interrupted;
    default:
      return EXIT.failed;
  }
}
