/** Writes log lines, for people or as JSON. */

import { inspect } from 'node:util';
import { printable } from './printable.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/**
 * Structured log. The message is constant, what varies goes into the values: so that one can search and count.
 * Values are names, numbers and errors, never whole objects: an object may hold a secret.
 */
export interface Logger {
  debug(message: string, values?: LogValues): void;
  info(message: string, values?: LogValues): void;
  warn(message: string, values?: LogValues): void;
  error(message: string, values?: LogValues): void;
  /** A logger whose every line carries these values too. */
  with(values: LogValues): Logger;
}

export type LogValues = Readonly<Record<string, unknown>>;

export interface LogOptions {
  /** The least that is written. */
  readonly level: LogLevel;
  /** `json`: an object a line, for machines; `pretty`: for people. */
  readonly format: 'json' | 'pretty';
  /** Takes a line with its line feed; default: stderr. */
  readonly write?: (line: string) => void;
}

const SEVERITY: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export function createLogger(options: LogOptions, bound: LogValues = {}): Logger {
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const format = options.format === 'json' ? jsonLine : prettyLine;
  const log = (level: LogLevel) => (message: string, values?: LogValues) => {
    if (SEVERITY[level] < SEVERITY[options.level]) return;
    write(printable(format(level, message, flatten({ ...bound, ...values }, options.level === 'debug'))));
  };
  return {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    with: (values) => createLogger(options, { ...bound, ...values }),
  };
}

/** Writes nothing. */
export const silentLogger: Logger = createLogger({ level: 'error', format: 'json', write: () => {} });

function jsonLine(level: LogLevel, message: string, values: LogValues): string {
  return `${JSON.stringify({ time: new Date().toISOString(), level, message, ...values })}\n`;
}

function prettyLine(level: LogLevel, message: string, values: LogValues): string {
  const time = new Date().toISOString().slice(11, 23);
  const pairs = Object.entries(values).map(([name, value]) => `${name}=${prettyValue(value)}`);
  return `${[time, level.toUpperCase().padEnd(5), message, ...pairs].join('  ')}\n`;
}

function prettyValue(value: unknown): string {
  if (typeof value !== 'string') return inspect(value, { breakLength: Number.POSITIVE_INFINITY });
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

/** Errors become text: message, stable code and fix; the stack only for those who debug. */
function flatten(values: LogValues, withStack: boolean): LogValues {
  const flat: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    if (!(value instanceof Error)) {
      flat[name] = value;
      continue;
    }
    const { code, fix } = value as { code?: unknown; fix?: unknown };
    flat[name] = value.message;
    if (code !== undefined) flat[`${name}Code`] = code;
    if (fix !== undefined) flat[`${name}Fix`] = fix;
    if (withStack) flat[`${name}Stack`] = value.stack;
  }
  return flat;
}
