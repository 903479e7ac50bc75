/** Counts the requests that machines cost the API server. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Benchmark } from './benchmark.ts';
import { ClusterBed } from './cluster-bed.ts';
import { seriesOf, sumOf } from './exposition.ts';
import { OURS } from './subjects.ts';

const WITH_TERRAFORM = 'caplv and its terraform';

interface Counted {
  readonly at: number;
  /** By the controller itself. */
  readonly ours: number;
  /** By everyone, by verb and resource. */
  readonly all: ReadonlyMap<string, number>;
}

export const requests: Benchmark<{ machines: number; rounds: number; idleSeconds: number }> = {
  name: 'requests',
  title:
    'Requests to the API server for a machine of a MachineSet, from its creation until its guest has an address',
  minutes: 4,
  counts: {
    tiny: { machines: 1, rounds: 1, idleSeconds: 3 },
    full: { machines: 5, rounds: 3, idleSeconds: 30 },
  },
  measures: {
    requests: { title: 'requests a machine, create to Running', unit: 'requests' },
  },
  targets: [
    {
      number: 13,
      says: 'at most 25 requests a machine',
      value: (median) => median('requests', OURS),
      unit: 'requests',
      atMost: 25,
    },
  ],
  async run(bench, { machines, rounds, idleSeconds }) {
    const cluster = await ClusterBed.up(bench, 'bench-requests');
    bench.progress(`counting for ${idleSeconds} s what is asked when nothing is to be done`);
    // The last events of the first machine.
    await sleep(idleSeconds * 300);
    const before = await count(cluster);
    await sleep(idleSeconds * 1_000);
    const idle = rates(before, await count(cluster));
    for (let round = 1; round <= rounds; round++) {
      bench.progress(`round ${round} of ${rounds}: ${machines} machines`);
      const set = `ours-${round}`;
      const from = await count(cluster);
      await cluster.set(set, machines, { running: true });
      await cluster.until('addresses', () => cluster.running(set) === machines);
      const to = await count(cluster);
      const busy = rates(from, to);
      const aMachine = (busyRate = 0, idleRate = 0) => ((busyRate - idleRate) * (to.at - from.at)) / machines;
      const all = [...busy.all].map(([what, rate]) => ({ what, count: aMachine(rate, idle.all.get(what)) }));
      bench.sample('requests', OURS, aMachine(busy.ours, idle.ours));
      bench.sample(
        'requests',
        WITH_TERRAFORM,
        all.reduce((sum, one) => sum + one.count, 0),
      );
      if (round === rounds) bench.note(`The last round, a machine: ${mostFirst(all)}.`);
      await cluster.removeSet(set);
    }
    bench.note(
      `${OURS}: rest_client_requests_total of the controller; ${WITH_TERRAFORM}: apiserver_request_total of the API server, ` +
        'which also has those of kubectl. From both is taken off what is asked when nothing is to be done (the leader’s lease).',
    );
  },
};

async function count(cluster: ClusterBed): Promise<Counted> {
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

/** Requests a millisecond. */
function rates(from: Counted, to: Counted): Pick<Counted, 'ours' | 'all'> {
  const ms = to.at - from.at;
  const all = [...to.all].map(([what, value]) => [what, (value - (from.all.get(what) ?? 0)) / ms] as const);
  return { ours: (to.ours - from.ours) / ms, all: new Map(all) };
}

function mostFirst(all: readonly { readonly what: string; readonly count: number }[]): string {
  return all
    .filter(({ count }) => count >= 0.5)
    .toSorted((a, b) => b.count - a.count)
    .map(({ what, count }) => `${what} ${count.toFixed(1)}`)
    .join(', ');
}
