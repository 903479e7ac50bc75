/** Follows the lifecycle events of a host's domains. */

import { setTimeout as sleep } from 'node:timers/promises';
import { formatSeconds } from '../system/duration.ts';
import { LibvirtError } from './libvirt-error.ts';
import type { Virsh } from './virsh.ts';
import { type Command, virshCommand } from './virsh-command.ts';

export type DomainEvent =
  /**
   * Events arrive from here on: at the beginning, and again after each loss of the connection. What happened before was
   * missed, so whoever keeps a picture of the host must look anew.
   */
  | { readonly kind: 'connected' }
  /** No events until the next `connected`. The connection is tried again after `retryInMs`. */
  | { readonly kind: 'disconnected'; readonly error: LibvirtError; readonly retryInMs: number }
  | {
      readonly kind: 'lifecycle';
      readonly domain: string;
      readonly change: LifecycleChange;
      /** libvirt's words, for example `Finished after guest request`. */
      readonly detail: string;
      readonly at: Date;
    };

export type LifecycleChange =
  | 'defined'
  | 'undefined'
  | 'started'
  | 'suspended'
  | 'resumed'
  | 'stopped'
  | 'shutdown'
  | 'pmsuspended'
  | 'crashed';

const FIRST_RETRY_MS = 500;
const COMMAND: Command = ['event', '--event=lifecycle', '--loop', '--timestamp'];
/** Limit the interval in which a host that is away is tried again: while it may be a restart, and after that. */
const SOON_RETRY_MS = 1_000;
const SOON_MS = 5 * 60_000;
const LAST_RETRY_MS = 8_000;
/** Limits the time to connect: for a host that is switched off ssh would wait for two minutes. */
const CONNECT_TIMEOUT_MS = 15_000;

/**
 * Yields lifecycle events of all domains of the host until `signal` aborts, and then ends without an error. Reports a lost
 * connection, and connects again without end.
 *
 * One kind of event only: a subscription to all kinds is some 25 round trips, and `connected` is known only from before
 * it. With one, the subscription stands before a look at the host (a new connection, several round trips) can begin.
 */
export async function* domainEvents(virsh: Virsh, signal: AbortSignal): AsyncGenerator<DomainEvent> {
  let retryInMs = FIRST_RETRY_MS;
  let lostAt: number | undefined;
  while (!signal.aborted) {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), CONNECT_TIMEOUT_MS);
    let connectedAt: number | undefined;
    try {
      for await (const line of virsh.lines(COMMAND, AbortSignal.any([signal, late.signal]))) {
        clearTimeout(timer);
        const event = parseEvent(line);
        if (event) yield event;
        if (connectedAt !== undefined) continue;
        connectedAt = performance.now();
        yield { kind: 'connected' };
      }
      if (late.signal.aborted) throw noConnection(virsh.uri);
    } catch (error) {
      if (!(error instanceof LibvirtError)) throw error;
      // A daemon that accepts connections and drops them is not back.
      if (performance.now() - (connectedAt ?? Number.POSITIVE_INFINITY) > LAST_RETRY_MS) {
        retryInMs = FIRST_RETRY_MS;
        lostAt = undefined;
      }
      lostAt ??= performance.now();
      yield { kind: 'disconnected', error, retryInMs };
      await sleep(retryInMs, undefined, { signal }).catch(() => undefined);
      const isRecent = performance.now() - lostAt < SOON_MS;
      retryInMs = Math.min(2 * retryInMs, isRecent ? SOON_RETRY_MS : LAST_RETRY_MS);
    } finally {
      clearTimeout(timer);
    }
  }
}

function noConnection(uri: string): LibvirtError {
  return new LibvirtError({
    code: 'unreachable',
    uri,
    command: COMMAND.join(' '),
    message: `libvirt at ${uri} took no connection within ${formatSeconds(CONNECT_TIMEOUT_MS)}`,
    fix: `Check that the host is up and that no firewall drops the connection: ${virshCommand(uri, 'version')}`,
  });
}

/** Reads `2026-11-23 15:14:39.045+0000: event 'lifecycle' for domain 'web-1': Started Booted`. */
export function parseEvent(line: string): DomainEvent | undefined {
  const [, date, time, domain, change, detail] = LIFECYCLE.exec(line) ?? [];
  if (domain === undefined || change === undefined) return undefined;
  return {
    kind: 'lifecycle',
    domain,
    change: change.toLowerCase() as LifecycleChange,
    detail: detail ?? '',
    at: new Date(`${date}T${time}Z`),
  };
}

const LIFECYCLE =
  /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d+)\+0000: event 'lifecycle' for domain '(.*)': (\S+) ?(.*)$/;
