/** Ends the wait for a promise: when a signal aborts, or after a time. */

/** Settles as the promise does, or rejects with the reason of the signal as soon as that aborts. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Settles as the promise does, or rejects with `late()` after `limitMs`. The work behind the promise goes on. */
export async function within<T>(promise: Promise<T>, limitMs: number, late: () => Error): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(late()), limitMs);
  try {
    return await abortable(promise, limit.signal);
  } finally {
    clearTimeout(timer);
  }
}
