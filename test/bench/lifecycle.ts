/** Measures what a machine costs the controller, its API server and etcd: from its creation to its deletion. */

import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Benchmark, forEachOf } from './benchmark.ts';
import { ClusterBed } from './cluster-bed.ts';
import { untilVerified } from './fleet-work.ts';
import { endedChildrenCpuSeconds, usageOf } from './process-tree.ts';
import { type Counted, countRequests, mostFirst, requestRates } from './request-count.ts';
import { BUILDS, OTHER, OURS, PLAIN } from './subjects.ts';
import { importImage, openBenchEngine, PlainTerraform } from './ways.ts';

const DEFINED = { running: false } as const;

interface Spent {
  readonly counted: Counted;
  /** Of the API server, etcd, and of those who ask them. */
  readonly cpuSeconds: number;
}

export const lifecycle: Benchmark<{ machines: number; rounds: number; idleSeconds: number }> = {
  name: 'lifecycle',
  title:
    'What a machine of a MachineSet costs, defined and not started: CPU beyond libvirtd and QEMU, with API server and etcd, and requests, those of terraform too',
  minutes: 10,
  counts: {
    tiny: { machines: 1, rounds: 1, idleSeconds: 1 },
    full: { machines: 100, rounds: 2, idleSeconds: 20 },
  },
  measures: {
    createCpu: { title: 'create: CPU a machine', unit: 'CPU ms', against: PLAIN },
    createRequests: { title: 'create: requests a machine', unit: 'requests', against: OTHER },
    deleteCpu: { title: 'delete: CPU a machine', unit: 'CPU ms', against: PLAIN },
    deleteRequests: { title: 'delete: requests a machine', unit: 'requests', against: OTHER },
  },
  targets: [
    {
      number: 15,
      says: 'create takes at most 0.65 times the CPU of terraform in fresh directories with the same state backend',
      value: (median) => median('createCpu', OURS) / median('createCpu', PLAIN),
      unit: '×',
      atMost: 0.65,
    },
    {
      number: 15,
      says: 'create takes at most 16 requests a machine, those of terraform included',
      value: (median) => median('createRequests', OURS),
      unit: 'requests',
      atMost: 16,
    },
    {
      number: 15,
      says: 'delete takes at most 14 requests a machine, those of terraform included',
      value: (median) => median('deleteRequests', OURS),
      unit: 'requests',
      atMost: 14,
    },
  ],
  async run(bench, { machines, rounds, idleSeconds }) {
    const cluster = await ClusterBed.up(bench, 'bench-lifecycle');
    const engine = await openBenchEngine(cluster.bed);
    bench.defer(() => engine.close());
    await importImage(cluster.bed, engine);
    const plain = new PlainTerraform(cluster.bed, engine, { kubeconfig: cluster.lab.kube.kubeconfig });
    const spent = async (): Promise<Spent> => {
      const pids = [...cluster.lab.kube.pids, cluster.pid];
      const cpus = pids.map((pid) => usageOf(pid).cpuSeconds);
      return {
        counted: await countRequests(cluster),
        cpuSeconds: cpus.reduce((sum, cpu) => sum + cpu, endedChildrenCpuSeconds()),
      };
    };
    /** Measures `work` without what a controller with nothing to do takes, and what else was done. */
    const measure = async (verb: 'create' | 'delete', way: string, work: () => Promise<void>) => {
      const before = await spent();
      await sleep(idleSeconds * 1_000);
      const from = await spent();
      await work();
      const to = await spent();
      const [idle, busy] = [
        requestRates(before.counted, from.counted),
        requestRates(from.counted, to.counted),
      ];
      const ms = to.counted.at - from.counted.at;
      const idleCpu = (from.cpuSeconds - before.cpuSeconds) / (from.counted.at - before.counted.at);
      const cpu = to.cpuSeconds - from.cpuSeconds - idleCpu * ms;
      const all = [...busy.all].map(([what, rate]) => ({
        what,
        count: ((rate - (idle.all.get(what) ?? 0)) * ms) / machines,
      }));
      bench.sample(`${verb}Cpu`, way, (cpu * 1_000) / machines);
      bench.sample(
        `${verb}Requests`,
        way,
        all.reduce((sum, one) => sum + one.count, 0),
      );
      return mostFirst(all);
    };
    for (let round = 1; round <= rounds; round++) {
      for (const { way, program } of BUILDS) {
        await cluster.stop();
        await cluster.start({}, program);
        await untilVerified(cluster, cluster.machines);
        const set = `r${round}-${way === OURS ? 'ours' : 'other'}`;
        bench.progress(`round ${round} of ${rounds}: ${machines} machines, ${way}`);
        const asked = await measure('create', way, async () => {
          await cluster.set(set, machines, DEFINED);
          await cluster.until('the fleet', () => cluster.made(set) === machines);
        });
        const askedAtEnd = await measure('delete', way, () => cluster.removeSet(set));
        if (round === rounds) bench.note(`${way}, create, a machine: ${asked}.`);
        if (round === rounds) bench.note(`${way}, delete, a machine: ${askedAtEnd}.`);
      }
      bench.progress(`round ${round} of ${rounds}: ${machines} machines, ${PLAIN}`);
      const names = Array.from({ length: machines }, (_, index) => `p${round}-${index}`);
      await forEachOf(names, 2, (name) => plain.prepare(name, DEFINED));
      const each = (work: (name: string) => Promise<void>) => forEachOf(names, availableParallelism(), work);
      await measure('create', PLAIN, () => each((name) => plain.create(name)));
      await measure('delete', PLAIN, () => each((name) => plain.remove(name)));
    }
  },
};
