/** More than this is a mistake of the server, and would look like a machine that hangs. */
const MAX_MS = 60 * 60_000;

/**
 * Milliseconds for which a server asks to be left alone, at most an hour; undefined: it does not ask.
 * https://www.rfc-editor.org/rfc/rfc9110#name-retry-after: seconds, or a date.
 */
export function retryAfterMs({ headers }: Pick<Response, 'headers'>): number | undefined {
  const text = headers.get('retry-after')?.trim();
  if (!text) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), MAX_MS);
}

/** An answer that says more of the server's state than of what was asked for. */
export function isBusy({ status }: Pick<Response, 'status'>): boolean {
  return status === 429 || status >= 500;
}
