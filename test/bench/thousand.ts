/** Measures a fleet that grows to a thousand machines. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, type Benchmark, timed } from './benchmark.ts';
import { ClusterBed } from './cluster-bed.ts';
import { sumOf } from './exposition.ts';
import { resync, untilVerified } from './fleet-work.ts';
import { usageOf } from './process-tree.ts';
import { OURS } from './subjects.ts';
import { TerraformLog } from './terraform-log.ts';
import { virsh } from './ways.ts';

/** The fleet grows in steps, and what each step cost a machine is compared. */
const STEPS = ['small', 'middle', 'large'] as const;
const SET = 'fleet';

interface Counts extends Readonly<Record<string, number>> {
  readonly small: number;
  readonly middle: number;
  readonly large: number;
  readonly rounds: number;
  readonly idleSeconds: number;
  readonly stops: number;
}

export const thousand: Benchmark<Counts> = {
  name: 'thousand',
  title:
    'One controller with a fleet of machines, defined and not started: what it costs to make, to have, to take over and to watch',
  minutes: 20,
  counts: {
    tiny: { small: 1, middle: 2, large: 4, rounds: 1, idleSeconds: 3, stops: 1 },
    full: { small: 10, middle: 100, large: 1_000, rounds: 3, idleSeconds: 300, stops: 15 },
  },
  measures: {
    resyncCpu: { title: 'resync of all: CPU', unit: 'CPU s' },
    resyncRuns: { title: 'resync of all: terraform', unit: 'processes' },
    idleCpu: { title: 'idle: CPU of one core', unit: '%' },
    idleRss: { title: 'idle: RSS of the controller', unit: 'MiB' },
    idleTreeRss: { title: 'idle: RSS with its children', unit: 'MiB' },
    idleGrowth: { title: 'idle: growth of RSS, second half against first', unit: '%' },
    restart: { title: 'restart until all are verified', unit: 's' },
    restartApplies: { title: 'restart: terraform apply', unit: 'processes' },
    repair: { title: 'domain stopped to repair begun', unit: 's' },
    createCpu: { title: 'CPU a machine created', unit: 'CPU ms', against: 'small' },
    createRequests: { title: 'API requests a machine created', unit: 'requests', against: 'small' },
    createRss: { title: 'RSS of the controller afterwards', unit: 'MiB' },
    secrets: { title: 'Secrets a machine', unit: 'KiB', against: 'small' },
    createRate: { title: 'throughput of creation', unit: 'machines/s' },
  },
  targets: [
    {
      number: 7,
      says: 'one resync of all takes no terraform process',
      value: (median) => median('resyncRuns', OURS),
      unit: 'processes',
      atMost: 0,
    },
    {
      number: 7,
      says: 'one resync of all takes at most 1 s of CPU',
      value: (median) => median('resyncCpu', OURS),
      unit: 'CPU s',
      atMost: 1,
    },
    {
      number: 8,
      says: 'idle, it takes at most 2 % of one core',
      value: (median) => median('idleCpu', OURS),
      unit: '%',
      atMost: 2,
    },
    {
      number: 8,
      says: 'idle, it has at most 250 MiB',
      value: (median) => median('idleRss', OURS),
      unit: 'MiB',
      atMost: 250,
    },
    {
      number: 8,
      says: 'idle, it does not grow (by 3 % at most)',
      value: (median) => median('idleGrowth', OURS),
      unit: '%',
      atMost: 3,
    },
    {
      number: 9,
      says: 'started again, it has verified all within 10 s',
      value: (median) => median('restart', OURS),
      unit: 's',
      atMost: 10,
    },
    {
      number: 9,
      says: 'started again, it applies nothing',
      value: (median) => median('restartApplies', OURS),
      unit: 'processes',
      atMost: 0,
    },
    {
      number: 10,
      says: 'a domain that somebody stopped is being repaired within 2 s',
      value: (median) => median('repair', OURS),
      unit: 's',
      atMost: 2,
    },
    ...(['createCpu', 'createRequests', 'secrets'] as const).map((measure) => ({
      number: 12,
      says: `${{ createCpu: 'CPU', createRequests: 'API requests', secrets: 'bytes of Secrets' }[measure]} of a machine: at most 1.3 times as much in the large fleet as in the small one`,
      value: (median: (measure: string, way: string) => number) =>
        median(measure, 'large') / median(measure, 'small'),
      unit: '×' as const,
      atMost: 1.3,
    })),
  ],
  async run(bench, counts) {
    const cluster = await ClusterBed.up(bench, 'bench-thousand');
    for (const step of STEPS) await grow(bench, cluster, step, counts[step]);
    const log = await TerraformLog.in(cluster.bed.directory);
    for (let round = 1; round <= counts.rounds; round++) {
      bench.progress(`restart ${round} of ${counts.rounds}`);
      await restart(bench, cluster, log);
    }
    for (let round = 1; round <= counts.rounds; round++) {
      bench.progress(`resync ${round} of ${counts.rounds}`);
      const before = { runs: await log.runs(), cpu: usageOf(cluster.pid).cpuSeconds };
      await resync(cluster, SET);
      bench.sample('resyncCpu', OURS, usageOf(cluster.pid).cpuSeconds - before.cpu);
      bench.sample('resyncRuns', OURS, (await log.runs()).length - before.runs.length);
    }
    await idle(bench, cluster, counts.idleSeconds);
    await repairs(bench, cluster, log, counts.stops);
  },
};

/** What each machine of the step cost: not the average over the fleet, but what it takes when so many are there. */
async function grow(
  bench: Bench,
  cluster: ClusterBed,
  step: (typeof STEPS)[number],
  count: number,
): Promise<void> {
  const there = cluster.all(SET).length;
  const made = count - there;
  bench.progress(`from ${there} machines to ${count}`);
  const before = {
    cpu: usageOf(cluster.pid).cpuSeconds,
    metrics: await cluster.metrics(),
    bytes: await secretBytes(cluster),
  };
  const asked = (text: string) => sumOf(text, 'rest_client_requests_total');
  const ms = await timed(async () => {
    await cluster.set(SET, count, { running: false });
    await cluster.until(`${count} machines`, () => cluster.made(SET) === count, { patienceMs: 30 * 60_000 });
  });
  const usage = usageOf(cluster.pid);
  bench.sample('createCpu', step, ((usage.cpuSeconds - before.cpu) * 1_000) / made);
  bench.sample('createRequests', step, (asked(await cluster.metrics()) - asked(before.metrics)) / made);
  bench.sample('createRss', step, usage.ownRssMiB);
  bench.sample('createRate', step, (made / ms) * 1_000);
  bench.sample('secrets', step, ((await secretBytes(cluster)) - before.bytes) / 1_024 / made);
}

/** Of the states with their history, as etcd holds them. */
async function secretBytes({ lab }: ClusterBed): Promise<number> {
  const { items } = JSON.parse(await lab.client.raw('GET', '/api/v1/namespaces/default/secrets')) as {
    items: object[];
  };
  return JSON.stringify(items).length;
}

async function restart(bench: Bench, cluster: ClusterBed, log: TerraformLog): Promise<void> {
  await cluster.stop();
  const before = await log.runs();
  const count = cluster.all(SET).length;
  const ms = await timed(async () => {
    await cluster.start({ CAPLV_TERRAFORM: log.program });
    await untilVerified(cluster, count);
  });
  bench.sample('restart', OURS, ms / 1_000);
  const applies = (await log.runs()).slice(before.length).filter((run) => run.startsWith('apply'));
  bench.sample('restartApplies', OURS, applies.length);
}

async function idle(bench: Bench, cluster: ClusterBed, seconds: number): Promise<void> {
  const LOOKS = 20;
  bench.progress(`idle for ${seconds} s`);
  const before = usageOf(cluster.pid).cpuSeconds;
  const own: number[] = [];
  for (let look = 0; look < LOOKS; look++) {
    await sleep((seconds * 1_000) / LOOKS);
    const usage = usageOf(cluster.pid);
    own.push(usage.ownRssMiB);
    bench.sample('idleRss', OURS, usage.ownRssMiB);
    bench.sample('idleTreeRss', OURS, usage.rssMiB);
  }
  bench.sample('idleCpu', OURS, ((usageOf(cluster.pid).cpuSeconds - before) * 100) / seconds);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [first, second] = [mean(own.slice(0, LOOKS / 2)), mean(own.slice(LOOKS / 2))];
  bench.sample('idleGrowth', OURS, (second / first - 1) * 100);
  bench.note('Idle CPU is that of the controller and of all that it started: virsh, the provider.');
}

/**
 * Machines of the fleet's host run, and each is powered off once behind the controller's back: between two repairs of the same one it
 * pauses.
 */
async function repairs(bench: Bench, cluster: ClusterBed, log: TerraformLog, stops: number): Promise<void> {
  for (let stop = 1; stop <= stops; stop++) {
    bench.progress(`stop ${stop} of ${stops}`);
    const name = `runner-${stop}`;
    const domain = `default.${name}`;
    await cluster.lab.apply(cluster.lab.machine(name, { running: true }));
    await cluster.until(
      `${name} to run`,
      () =>
        cluster.running(name) === 1 &&
        cluster.all(name)[0]?.status?.providerStatus?.instanceState === 'running',
    );
    const ms = await timed(() => log.nextRunAfter(() => virsh(cluster.bed, 'destroy', domain)));
    bench.sample('repair', OURS, ms / 1_000);
    await cluster.until('the repair', async () =>
      (await virsh(cluster.bed, 'domstate', domain)).startsWith('running'),
    );
    await untilVerified(cluster, 0);
    await cluster.lab.kubectl('delete', 'machine', name);
  }
  bench.note('A repair begins with its first terraform process.');
}
