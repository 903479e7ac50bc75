/** Lists and watches one kind, and starts again after each failure. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject, ResourceKind } from '../../apimachinery/object.ts';
import { formatKey, keyOf, resourceName } from '../../apimachinery/object-key.ts';
import type { ListOptions, WatchEvent } from '../../store/store.ts';
import { Backoff } from '../../system/backoff.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { ApiError, hasReason } from '../client/api-error.ts';
import type { Client } from '../client/client.ts';
import type { WatchCallEvent } from '../client/watch-stream.ts';

export interface ReflectorOptions extends ListOptions {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Between two watches, and after failures. Ten seconds keep the recovery from an outage short. */
const BACKOFF = { baseMs: 100, maxMs: 10_000 };

/** Rights are granted by a person, who then waits. */
const REFUSED = { baseMs: 500, maxMs: 1_500 };

/** A watch that lived this long, in milliseconds, was a healthy one. */
const HEALTHY_MS = 500;

/** Seconds; between this and twice as much, so that the watches of many clients do not end together (as client-go). */
const MIN_WATCH_SECONDS = 300;

/**
 * Yields what exists, then SYNCED, then every change, until `signal` aborts: outages, ends of watches and expired resourceVersions
 * are hidden from the reader. A watch that ends is resumed at its resourceVersion; if the server no longer knows it, everything is
 * listed again, and the reader gets the difference.
 */
export async function* reflect<T extends KubeObject>(
  client: Client,
  kind: ResourceKind<T>,
  options: ReflectorOptions,
): AsyncGenerator<WatchEvent<T>> {
  const { namespace, labelSelector, signal, metrics } = options;
  const log = options.log.with({ resource: resourceName(kind) });
  const labels = { resource: resourceName(kind) };
  const lists = metrics.counter(
    'reflector_lists_total',
    'Full lists; more than one a start means lost watches.',
    ['resource'],
  );
  const watches = metrics.counter('reflector_watches_total', 'Watches begun.', ['resource']);

  const known = new Map<string, T>();
  const backoff = new Backoff(BACKOFF);
  const refusals = new Backoff(REFUSED);
  let wasRefused = false;
  let resourceVersion: string | undefined;
  let synced = false;

  while (!signal.aborted) {
    let openedAt: number | undefined;
    let isRefused = false;
    try {
      if (resourceVersion === undefined) {
        lists.inc(labels);
        const list = await client.list(kind, { namespace, labelSelector, signal });
        yield* difference(known, list.items);
        resourceVersion = list.resourceVersion;
        if (!synced) yield { type: 'SYNCED' };
        synced = true;
      }

      watches.inc(labels);
      const timeoutSeconds = Math.round(MIN_WATCH_SECONDS * (1 + Math.random()));
      const events = await client.watch(kind, {
        namespace,
        labelSelector,
        signal,
        resourceVersion,
        timeoutSeconds,
      });
      openedAt = performance.now();
      for await (const event of events) {
        if (event.type !== 'BOOKMARK') {
          const seen = kind.pick ? picked(kind.pick, known, event) : event;
          if (seen) {
            remember(known, seen);
            yield seen;
          }
          if (known.size > client.limits.items)
            throw ApiError.tooLarge(`WATCH ${labels.resource}`, `more than ${client.limits.items} objects`);
        }
        resourceVersion = event.object.metadata.resourceVersion;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (mustRelist(error, openedAt !== undefined)) {
        log.info('Watch cannot be resumed, listing again', { error });
        resourceVersion = undefined;
      } else if (openedAt !== undefined) {
        log.debug('Watch was cut, resuming', { error });
      } else {
        isRefused = hasReason(error, 'Forbidden');
        const level = isRefused && wasRefused ? 'debug' : 'warn';
        log[level]('List or watch failed, trying again', { error });
      }
    }
    if (!isRefused) refusals.reset();
    wasRefused = isRefused;
    if (openedAt !== undefined && performance.now() - openedAt >= HEALTHY_MS) backoff.reset();
    const delayMs = isRefused ? refusals.next() : backoff.next();
    await sleep(delayMs, undefined, { signal }).catch(() => {});
  }
}

/** Yields the events that lead from `known` to the list, and updates `known`. */
function* difference<T extends KubeObject>(
  known: Map<string, T>,
  items: readonly T[],
): Generator<WatchEvent<T>> {
  const listed = new Map(items.map((item) => [formatKey(keyOf(item)), item]));
  for (const [key, object] of known) {
    if (listed.get(key)?.metadata.uid === object.metadata.uid) continue;
    known.delete(key);
    yield { type: 'DELETED', object };
  }
  for (const [key, object] of listed) {
    const before = known.get(key);
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) continue;
    known.set(key, object);
    yield { type: before ? 'MODIFIED' : 'ADDED', object };
  }
}

/** Returns the event with what is kept of its object. An object that can no longer be read counts as deleted. */
function picked<T extends KubeObject>(
  pick: (object: KubeObject) => T | undefined,
  known: ReadonlyMap<string, T>,
  event: Exclude<WatchCallEvent<T>, { readonly type: 'BOOKMARK' }>,
): Exclude<WatchEvent<T>, { readonly type: 'SYNCED' }> | undefined {
  const object = pick(event.object);
  if (object) return { type: event.type, object };
  const before = known.get(formatKey(keyOf(event.object)));
  return before && { type: 'DELETED', object: before };
}

function remember<T extends KubeObject>(
  known: Map<string, T>,
  event: { readonly type: string; readonly object: T },
): void {
  const key = formatKey(keyOf(event.object));
  if (event.type === 'DELETED') known.delete(key);
  else known.set(key, event.object);
}

/**
 * Decides whether to list again. An ERROR event within a watch would come again at the same resourceVersion. Before a watch, only
 * some answers say that the resourceVersion is lost. A broken connection never does.
 */
function mustRelist(error: unknown, watching: boolean): boolean {
  return error instanceof ApiError && (watching || error.needsRelist);
}
