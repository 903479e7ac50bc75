/** Captures log lines. */

import { createLogger, type Logger, type LogLevel } from '../../src/telemetry/logger.ts';

export type LogLine = {
  readonly level: LogLevel;
  readonly message: string;
  readonly [name: string]: unknown;
};

/** A logger of everything, and what it wrote. */
export function capturedLog(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const log = createLogger({
    level: 'debug',
    format: 'json',
    write: (line) => lines.push(JSON.parse(line) as LogLine),
  });
  return { log, lines };
}
