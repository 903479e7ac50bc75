/** Measures the boot of many machines at once. */

import { availableParallelism } from 'node:os';
import { type Benchmark, forEachOf, timed } from './benchmark.ts';
import { ClusterBed } from './cluster-bed.ts';
import { OURS, VIRSH } from './subjects.ts';
import { type Bed, importImage, openBenchEngine, VirshByHand, virsh } from './ways.ts';

const RUNNING = { running: true } as const;
/** As many at a time as the controller runs terraform processes by default. */
const PARALLELISM = availableParallelism() + 1;

export const boots: Benchmark<{ machines: number; rounds: number }> = {
  name: 'boots',
  title: 'Machines booted under TCG until each has an address',
  minutes: 10,
  counts: { tiny: { machines: 1, rounds: 1 }, full: { machines: 20, rounds: 2 } },
  measures: { boot: { title: 'create to all have an address', unit: 's', against: VIRSH } },
  targets: [
    {
      number: 6,
      says: 'at most 1.15 times what virsh takes with the same concurrency',
      value: (median) => median('boot', OURS) / median('boot', VIRSH),
      unit: '×',
      atMost: 1.15,
    },
  ],
  async run(bench, { machines, rounds }) {
    const cluster = await ClusterBed.up(bench, 'bench-boots');
    const { bed } = cluster;
    const engine = await openBenchEngine(bed);
    bench.defer(() => engine.close());
    const hand = new VirshByHand(bed, await importImage(bed, engine), { batched: true });
    for (let round = 1; round <= rounds; round++) {
      bench.progress(`round ${round} of ${rounds}: ${machines} guests by ${VIRSH}`);
      const guests = Array.from({ length: machines }, (_, index) => ({
        name: `hand-${round}-${index}`,
        // New in each round: a lease outlives its guest.
        mac: `52:54:00:be:${hex(round)}:${hex(index)}`,
      }));
      const byHand = await timed(async () => {
        await forEachOf(guests, PARALLELISM, ({ name, mac }) => hand.create(name, RUNNING, mac));
        const haveAddresses = async () => {
          const leased = await leasedMacs(bed);
          return guests.every(({ mac }) => leased.includes(mac));
        };
        await cluster.until('addresses', haveAddresses, { everyMs: 500 });
      });
      bench.sample('boot', VIRSH, byHand / 1_000);
      await forEachOf(guests, PARALLELISM, async ({ name }) => {
        await virsh(bed, 'destroy', name);
        await hand.remove(name);
      });

      bench.progress(`round ${round} of ${rounds}: ${machines} guests by ${OURS}`);
      const set = `ours-${round}`;
      const ours = await timed(async () => {
        await cluster.set(set, machines, RUNNING);
        await cluster.until('addresses', () => cluster.running(set) === machines);
      });
      bench.sample('boot', OURS, ours / 1_000);
      await cluster.removeSet(set);
    }
  },
};

/** One process for all guests. */
async function leasedMacs(bed: Bed): Promise<readonly string[]> {
  const text = await virsh(bed, 'net-dhcp-leases', 'default');
  return text.match(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g) ?? [];
}

function hex(number: number): string {
  return number.toString(16).padStart(2, '0');
}
