/** Begins watches of kinds that the API server may not have yet. */

import { resourceName } from '../../apimachinery/object-key.ts';
import type { Informer } from '../../kube/runtime/informer.ts';
import { untilServed } from '../../kube/runtime/served.ts';
import type { Logger } from '../../telemetry/logger.ts';

export interface WatchWhenServedOptions {
  readonly log: Logger;
  /** Whether the API server has the kinds. Throws while that cannot be found out. */
  readonly serves: () => Promise<boolean>;
  /** Of the log line when it has them. */
  readonly message: string;
}

/** Begins the watches once their kinds are served. Resolves when `signal` aborts and the watches have ended. */
export async function watchWhenServed(
  informers: readonly Informer[],
  { log, serves, message }: WatchWhenServedOptions,
  signal: AbortSignal,
): Promise<void> {
  const kinds = informers.map(({ kind }) => resourceName(kind)).join(', ');
  const onError = (error: unknown) =>
    log.warn('Could not find out whether kinds are served, trying again', { kinds, error });
  for await (const _ of untilServed(serves, { signal, onError }));
  if (signal.aborted) return;
  log.info(message, { kinds });
  await Promise.all(informers.map((informer) => informer.run(signal)));
}
