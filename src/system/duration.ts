/** Durations as Kubernetes and Go write them: `90s`, `5m`, `1h30m`, `250ms`. */

import { TerminalError } from '../errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds. Throws TerminalError InvalidConfiguration. */
export function parseDuration(text: string, name: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: `${name}: "${text}" is not a duration`,
      fix: 'write for example 90s, 5m or 1h30m',
    });
  }
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[unit ?? ''] ?? 0),
    0,
  );
}

/** Beyond 2^31 - 1 milliseconds (24.8 days) a timer fires at once; jitter makes an interval a fifth longer. */
const LONGEST_HOURS = 480;

/**
 * Milliseconds of a time to wait, or of an interval, as a flag gives it: from `leastMs` to 20 days. Throws TerminalError
 * InvalidConfiguration with the flag.
 */
export function parseWait(text: string, flag: string, leastMs = 0): number {
  const ms = parseDuration(text, flag);
  if (ms >= leastMs && ms <= LONGEST_HOURS * 3_600_000) return ms;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `${flag}: "${text}" is too ${ms < leastMs ? 'short' : 'long'}`,
    fix: `from ${leastMs / 1_000}s to ${LONGEST_HOURS}h`,
  });
}

/** Seconds for people, with a tenth below ten seconds: `0.4 s`, `2 s`, `75 s`. */
export function formatSeconds(ms: number): string {
  const digits = ms < 10_000 && ms % 1_000 !== 0 ? 1 : 0;
  return `${(ms / 1_000).toFixed(digits)} s`;
}

/** Two units at most, as kubectl prints ages: `5s`, `3m20s`, `4h`, `12d`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 ? `${minutes}m${seconds % 60}s` : `${minutes}m`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}
