/** Merges the watches of several namespaces into one. */

import type { WatchEvent } from '../../store/store.ts';

/** Limits the events that wait for their reader; the watches are paused beyond it. */
const MOST_WAITING = 1_000;

/**
 * Yields the events of several watches of one kind as they come, and SYNCED once each has delivered the existing objects. Ends when
 * all have ended; throws the first error of any.
 */
export async function* mergeWatches<T>(
  watches: readonly AsyncIterable<WatchEvent<T>>[],
): AsyncGenerator<WatchEvent<T>> {
  const waiting: WatchEvent<T>[] = [];
  let arrival = Promise.withResolvers<void>();
  let room = Promise.withResolvers<void>();
  let isLeft = false;
  let running = watches.length;
  let unsynced = watches.length;
  let failure: { readonly error: unknown } | undefined;

  const read = async (watch: AsyncIterable<WatchEvent<T>>) => {
    try {
      for await (const event of watch) {
        if (isLeft) return;
        waiting.push(event);
        arrival.resolve();
        if (waiting.length >= MOST_WAITING) await room.promise;
      }
    } catch (error) {
      failure ??= { error };
    } finally {
      running--;
      arrival.resolve();
    }
  };
  for (const watch of watches) void read(watch);

  try {
    for (;;) {
      arrival = Promise.withResolvers<void>();
      for (const event of waiting.splice(0)) {
        if (event.type !== 'SYNCED') yield event;
        else if (--unsynced === 0) yield event;
      }
      room.resolve();
      room = Promise.withResolvers<void>();
      if (waiting.length > 0) continue;
      if (failure) throw failure.error;
      if (running === 0) return;
      await arrival.promise;
    }
  } finally {
    isLeft = true;
    room.resolve();
  }
}
