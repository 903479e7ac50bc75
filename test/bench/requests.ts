/** Counts the requests that machines cost the API server. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Benchmark } from './benchmark.ts';
import { ClusterBed } from './cluster-bed.ts';
import { countRequests as count, mostFirst, requestRates as rates } from './request-count.ts';
import { OURS } from './subjects.ts';

const WITH_TERRAFORM = 'caplv and its terraform';

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
