/** Logs the warnings that Node gives. */

import type { Logger } from './logger.ts';

/** What Node warns of (a deprecation, too many listeners) becomes a line of the log, in place of text of its own on stderr. */
export function logProcessWarnings(log: Logger): void {
  // Node's own, which writes the text.
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    const { name, code } = warning as Error & { code?: string };
    log.warn('Node warns', { name, code, error: warning });
  });
}
