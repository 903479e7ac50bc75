/** Measures whether a machine costs more in a large pool, beside as many Machines that the controller knows. */

import { PAUSED_ANNOTATION } from '../../src/api/schema/paused.ts';
import type { Benchmark } from './benchmark.ts';
import { ClusterBed } from './cluster-bed.ts';
import { sumOf } from './exposition.ts';
import { untilVerified } from './fleet-work.ts';
import { usageOf } from './process-tree.ts';
import { manifest, virsh } from './ways.ts';

const SIZES = ['small', 'middle', 'large'] as const;
const DEFINED = { running: false } as const;
/** Objects that kubectl applies at once. */
const CHUNK = 500;

export const poolSize: Benchmark<{ small: number; middle: number; large: number; machines: number }> = {
  name: 'pool-size',
  title:
    'Machines made and deleted, defined and not started, in a pool of few and of many volumes, with as many other Machines, which are paused',
  minutes: 12,
  counts: {
    tiny: { small: 1, middle: 2, large: 3, machines: 1 },
    full: { small: 10, middle: 1_000, large: 5_000, machines: 20 },
  },
  measures: {
    createCpu: {
      title: 'create: CPU of the controller and its children, a machine',
      unit: 'CPU ms',
      against: 'small',
    },
    createHost: { title: 'create: CPU with libvirt and QEMU, a machine', unit: 'CPU ms', against: 'small' },
    createRequests: {
      title: 'create: API requests of the controller, a machine',
      unit: 'requests',
      against: 'small',
    },
    deleteCpu: {
      title: 'delete: CPU of the controller and its children, a machine',
      unit: 'CPU ms',
      against: 'small',
    },
    deleteHost: { title: 'delete: CPU with libvirt and QEMU, a machine', unit: 'CPU ms', against: 'small' },
    deleteRequests: {
      title: 'delete: API requests of the controller, a machine',
      unit: 'requests',
      against: 'small',
    },
  },
  targets: (
    [
      ['createCpu', 'create, the controller’s CPU', 1.3],
      ['createRequests', 'create, its requests', 1.3],
      ['createHost', 'create, CPU with libvirt and QEMU', 1.5],
      ['deleteCpu', 'delete, the controller’s CPU', 1.3],
      ['deleteRequests', 'delete, its requests', 1.3],
      ['deleteHost', 'delete, CPU with libvirt and QEMU', 1.3],
    ] as const
  ).map(([measure, what, atMost]) => ({
    number: 16,
    says: `${what}: at most ${atMost} times as much in the large pool as in the small one`,
    value: (median) => median(measure, 'large') / median(measure, 'small'),
    unit: '×',
    atMost,
  })),
  async run(bench, { machines, ...counts }) {
    const cluster = await ClusterBed.up(bench, 'bench-pool-size');
    const [host] = cluster.lab.lab.hosts;
    if (!host) throw new Error('the lab has no host');
    const sandbox = await host.sandbox();
    const spent = async () => {
      const own = usageOf(cluster.pid).cpuSeconds;
      const requests = sumOf(await cluster.metrics(), 'rest_client_requests_total');
      return { own, all: own + usageOf(sandbox.pid).cpuSeconds, requests };
    };
    const measure = async (verb: 'create' | 'delete', size: string, work: () => Promise<void>) => {
      const before = await spent();
      await work();
      const after = await spent();
      bench.sample(`${verb}Cpu`, size, ((after.own - before.own) * 1_000) / machines);
      bench.sample(`${verb}Host`, size, ((after.all - before.all) * 1_000) / machines);
      bench.sample(`${verb}Requests`, size, (after.requests - before.requests) / machines);
    };
    let there = 0;
    for (const size of SIZES) {
      bench.progress(`from ${there} further volumes and Machines to ${counts[size]}`);
      const numbers = Array.from({ length: counts[size] - there }, (_, index) => there + index);
      there = counts[size];
      const files = numbers.map((number) => `'${host.poolPath}/filler-${number}.raw'`);
      for (let from = 0; from < files.length; from += CHUNK)
        await sandbox.run('sh', '-c', `touch ${files.slice(from, from + CHUNK).join(' ')}`);
      await virsh(cluster.bed, 'pool-refresh', 'default');
      const known = numbers.map((number) => paused(manifest(cluster.bed, `known-${number}`, DEFINED)));
      for (let from = 0; from < known.length; from += CHUNK)
        await cluster.lab.apply(...known.slice(from, from + CHUNK));
      await cluster.until('the Machines to be known', () => cluster.machines > there);
      await untilVerified(cluster, 0);
      const set = `in-${size}`;
      bench.progress(`${machines} machines in the ${size} pool`);
      await measure('create', size, async () => {
        await cluster.set(set, machines, DEFINED);
        await cluster.until('the machines', () => cluster.made(set) === machines);
      });
      await measure('delete', size, () => cluster.removeSet(set));
    }
    bench.note(
      'Provider 0.8.3 refreshes the pool for each volume that it makes or removes; its CPU there is that of libvirt.',
    );
  },
};

function paused<T extends { readonly metadata: object }>(machine: T): T {
  return { ...machine, metadata: { ...machine.metadata, annotations: { [PAUSED_ANNOTATION]: 'true' } } };
}
