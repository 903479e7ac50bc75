/** Turns SIGTERM and SIGINT into an abort signal. */

import type { Logger } from '../../telemetry/logger.ts';

/**
 * Returns a signal that aborts at the first SIGTERM or SIGINT. Ends the process at the second one, and `limitMs` after the first,
 * whatever still runs.
 */
export function shutdownSignal(log: Logger, limitMs: number): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      log.info('Shutting down, waiting for what runs', { signal: name });
      // Unreferenced: it keeps no process alive that has ended its work.
      setTimeout(() => {
        log.error('Work did not end in time, ending without it', { seconds: limitMs / 1000 });
        process.exit(1);
      }, limitMs).unref();
      controller.abort();
    });
  }
  return controller.signal;
}
