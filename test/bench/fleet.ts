/** Measures the creation and deletion of many machines at once. */

import { availableParallelism } from 'node:os';
import { type Bench, type Benchmark, forEachOf, timed } from './benchmark.ts';
import { ClusterBed } from './cluster-bed.ts';
import { OURS, PLAIN, VIRSH, WARM } from './subjects.ts';
import { importImage, openBenchEngine, PlainTerraform, VirshByHand, virsh } from './ways.ts';

const DEFINED = { running: false } as const;

/** Makes machines of these names side by side, and is timed. */
interface Peer {
  readonly way: string;
  prepare(names: readonly string[]): Promise<void>;
  create(name: string): Promise<void>;
  remove(names: readonly string[]): Promise<void>;
}

interface Counts extends Readonly<Record<string, number>> {
  readonly machines: number;
  readonly rounds: number;
  /** How many parallelisms of the peers are tried, and with how many machines. */
  readonly parallelisms: number;
  readonly trial: number;
}

export const fleet: Benchmark<Counts> = {
  name: 'fleet',
  title:
    'Many machines, defined and not started, from one MachineSet on an API server until all are Provisioned',
  minutes: 14,
  counts: {
    tiny: { machines: 3, rounds: 1, parallelisms: 2, trial: 1 },
    full: { machines: 100, rounds: 3, parallelisms: 4, trial: 24 },
  },
  measures: {
    create: { title: 'throughput of creation', unit: 'machines/s', against: PLAIN },
    delete: { title: 'throughput of deletion', unit: 'machines/s' },
  },
  targets: [
    {
      number: 4,
      says: 'at least 3 times the throughput of terraform in fresh directories with the same state backend, at its best parallelism',
      value: (median) => median('create', OURS) / median('create', PLAIN),
      unit: '×',
      atLeast: 3,
    },
    {
      number: 5,
      says: 'at most 2 times the time of one virsh script at its best parallelism',
      value: (median) => median('create', VIRSH) / median('create', OURS),
      unit: '×',
      atMost: 2,
    },
  ],
  async run(bench, { machines, rounds, parallelisms, trial }) {
    const cluster = await ClusterBed.up(bench, 'bench-fleet');
    const { bed, lab } = cluster;
    const engine = await openBenchEngine(bed);
    bench.defer(() => engine.close());
    const hand = new VirshByHand(bed, await importImage(bed, engine), { batched: true });
    const { kubeconfig } = lab.kube;
    const terraform = (way: string, isWarm: boolean): Peer => {
      const plain = new PlainTerraform(bed, engine, { kubeconfig, isWarm });
      return {
        way,
        prepare: (names) => forEachOf(names, 2, (name) => plain.prepare(name, DEFINED)),
        create: (name) => plain.create(name),
        remove: (names) => forEachOf(names, availableParallelism(), (name) => plain.remove(name)),
      };
    };
    const peers: Peer[] = [
      {
        way: VIRSH,
        prepare: async () => {},
        create: (name) => hand.create(name, DEFINED),
        remove: (names) => forEachOf(names, 2, (name) => hand.remove(name)),
      },
      terraform(PLAIN, false),
      terraform(WARM, true),
    ];
    bench.note(
      'provider 0.8.3 starts each domain for a moment, also one that is to be off: all ways but virsh pay for a start of QEMU',
    );
    const best = new Map<string, number>();
    for (const peer of peers) best.set(peer.way, await bestParallelism(bench, peer, parallelisms, trial));
    for (let round = 1; round <= rounds; round++) {
      for (const peer of peers) {
        bench.progress(`round ${round} of ${rounds}: ${machines} machines by ${peer.way}`);
        const names = namesOf(`${round}`, machines);
        bench.sample('create', peer.way, await throughput(peer, names, best.get(peer.way) ?? 1));
        await peer.remove(names);
      }
      bench.progress(`round ${round} of ${rounds}: ${machines} machines by ${OURS}`);
      const set = `ours-${round}`;
      const create = await timed(async () => {
        await cluster.set(set, machines, DEFINED);
        await cluster.until('all to be Provisioned', () => cluster.made(set) === machines);
      });
      bench.sample('create', OURS, (machines / create) * 1_000);
      bench.sample('delete', OURS, (machines / (await timed(() => cluster.removeSet(set)))) * 1_000);
    }
    // Of the peers nothing may be left that ours would have to look through.
    const domains = await virsh(bed, 'list', '--all', '--name');
    if (/^(m|default\.m)/m.test(domains)) throw new Error(`machines of other ways were left: ${domains}`);
  },
};

/** Each parallelism makes its own machines, as many as the others; the fastest serves from there on. */
async function bestParallelism(
  bench: Bench,
  peer: Peer,
  parallelisms: number,
  trial: number,
): Promise<number> {
  const cores = availableParallelism();
  const tried: { parallelism: number; perSecond: number }[] = [];
  const candidates = [...new Set([cores, cores + 1, 2 * cores, 4 * cores])];
  for (const parallelism of candidates.slice(0, parallelisms)) {
    bench.progress(`${peer.way}: ${trial} machines, ${parallelism} at a time`);
    const names = namesOf(`p${parallelism}`, trial);
    tried.push({ parallelism, perSecond: await throughput(peer, names, parallelism) });
    await peer.remove(names);
  }
  const sorted = tried.toSorted((a, b) => b.perSecond - a.perSecond);
  const found = sorted.map(
    ({ parallelism, perSecond }) => `${parallelism} at a time ${perSecond.toFixed(2)}/s`,
  );
  bench.note(`${peer.way}, best first: ${found.join(', ')}`);
  return sorted[0]?.parallelism ?? cores;
}

/** Machines a second. */
async function throughput(peer: Peer, names: readonly string[], parallelism: number): Promise<number> {
  await peer.prepare(names);
  return (
    (names.length / (await timed(() => forEachOf(names, parallelism, (name) => peer.create(name))))) * 1_000
  );
}

function namesOf(group: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `m${group}-${index}`);
}
