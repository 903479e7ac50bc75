/** Events of objects, as an API server keeps them. */

import { INFRASTRUCTURE_GROUP } from '../../api/infrastructure/group.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { GROUP } from '../../api/schema/group.ts';
import { hasReason } from '../../kube/client/api-error.ts';
import type { KubeEvent } from '../../kube/runtime/events.ts';
import { formatDuration } from '../../system/duration.ts';
import { formatTable } from '../output/table.ts';
import type { Session } from '../session/session.ts';

/** Sorts latest last. Events that others recorded may lack any of these times. */
export function byTime(a: KubeEvent, b: KubeEvent): number {
  return timeOf(a) - timeOf(b) || (a.metadata.name < b.metadata.name ? -1 : 1);
}

/** Whether the event is about an object of one of our APIs. */
export function isOurs({ involvedObject }: KubeEvent): boolean {
  return [GROUP, INFRASTRUCTURE_GROUP].includes(involvedObject.apiVersion?.split('/')[0] ?? '');
}

export function eventsTable(
  events: readonly KubeEvent[],
  { showNamespace = false, showObject = false, hasHeader = true } = {},
): string {
  const header = [
    ...(showNamespace ? ['NAMESPACE'] : []),
    ...['LAST SEEN', 'TYPE', 'REASON'],
    ...(showObject ? ['OBJECT'] : []),
    'MESSAGE',
  ];
  const rows = events.map((event) => [
    ...(showNamespace ? [event.metadata.namespace ?? ''] : []),
    ageOf(event),
    event.type,
    event.reason,
    ...(showObject ? [`${event.involvedObject.kind.toLowerCase()}/${event.involvedObject.name}`] : []),
    event.message,
  ]);
  return hasHeader ? formatTable(header, rows) : formatTable(header, rows).replace(/^.*\n/, '');
}

/** Lines for `describe`, below those of the object; undefined where no events are kept. */
export async function describedEvents(
  { events: list }: Pick<Session, 'events'>,
  { kind }: ApiKind,
  namespace: string,
  name: string,
): Promise<{ readonly text: string; readonly data: object } | undefined> {
  if (!list) return undefined;
  try {
    const events = (await list({ namespace, kind, name })).toSorted(byTime);
    const text = events.length > 0 ? `Events:\n${indented(eventsTable(events))}` : 'Events:         <none>\n';
    return { text, data: { events: events.map(eventData) } };
  } catch (error) {
    // Who may see the object need not see its events.
    if (!hasReason(error, 'Forbidden')) throw error;
    return { text: 'Events:         you may not list events\n', data: {} };
  }
}

export function eventData(event: KubeEvent): object {
  const { type, reason, message, involvedObject, series, eventTime, lastTimestamp } = event;
  return { type, reason, message, involvedObject, count: series?.count ?? 1, eventTime, lastTimestamp };
}

function ageOf(event: KubeEvent): string {
  const time = timeOf(event);
  const count = event.series?.count ?? 1;
  const age = time > 0 ? formatDuration(Math.max(0, Date.now() - time)) : '';
  return count > 1 ? `${age} (x${count})` : age;
}

/** Milliseconds since 1970; 0: it has no time. */
function timeOf({ series, lastTimestamp, eventTime, metadata }: KubeEvent): number {
  const text = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp;
  return text ? Date.parse(text) || 0 : 0;
}

function indented(table: string): string {
  return table.replaceAll(/^(?=.)/gm, '  ');
}
