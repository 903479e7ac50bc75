/** Counts the requests that an API server has answered, by verb and resource. */

import type { ClusterBed } from './cluster-bed.ts';
import { seriesOf, sumOf } from './exposition.ts';

export interface Counted {
  /** By `performance.now()`. */
  readonly at: number;
  /** By the controller itself. */
  readonly ours: number;
  /** By everyone, by verb and resource. */
  readonly all: ReadonlyMap<string, number>;
}

export async function countRequests(cluster: ClusterBed): Promise<Counted> {
  const all = new Map<string, number>();
  for (const { labels, value } of seriesOf(
    await cluster.lab.client.raw('GET', '/metrics'),
    'apiserver_request_total',
  )) {
    const label = (name: string) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
    const what = [label('verb'), label('resource'), label('subresource')].filter(Boolean).join(' ');
    // A watch is one request however much it tells; what names no resource is discovery and health.
    if (label('verb') !== 'WATCH' && label('resource') !== '') all.set(what, (all.get(what) ?? 0) + value);
  }
  return { at: performance.now(), ours: sumOf(await cluster.metrics(), 'rest_client_requests_total'), all };
}

/** Returns requests a millisecond. */
export function requestRates(from: Counted, to: Counted): Pick<Counted, 'ours' | 'all'> {
  const ms = to.at - from.at;
  const all = [...to.all].map(([what, value]) => [what, (value - (from.all.get(what) ?? 0)) / ms] as const);
  return { ours: (to.ours - from.ours) / ms, all: new Map(all) };
}

/** Writes what there is at least half of, most first: `GET secrets 7.6, POST events 5.0`. */
export function mostFirst(all: readonly { readonly what: string; readonly count: number }[]): string {
  return all
    .filter(({ count }) => count >= 0.5)
    .toSorted((a, b) => b.count - a.count)
    .map(({ what, count }) => `${what} ${count.toFixed(1)}`)
    .join(', ');
}
