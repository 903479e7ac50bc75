import type { Logger } from '../../telemetry/logger.ts';

/** Aborts at the first SIGTERM or SIGINT. At the second, the process ends at once: whoever asks twice means it. */
export function shutdownSignal(log: Logger): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      log.info('Shutting down, waiting for what runs', { signal: name });
      controller.abort();
    });
  }
  return controller.signal;
}
