/** Measures the periodic plans of many machines. */

import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { hostAt } from '../lab/host-uri.ts';
import { type Benchmark, forEachOf } from './benchmark.ts';
import { ClusterBed } from './cluster-bed.ts';
import { sumOf } from './exposition.ts';
import { resync, untilVerified } from './fleet-work.ts';
import { endedChildrenCpuSeconds, usageOf } from './process-tree.ts';
import { BUILDS, OURS, WARM } from './subjects.ts';
import { TerraformLog } from './terraform-log.ts';
import { importImage, openBenchEngine, PlainTerraform } from './ways.ts';

const SWEEP_LIMIT_MS = 900_000;
const FIRST = 'caplv, first sweep after a start';
/** For the requests of a controller that has nothing to do: its lease. */
const IDLE_MS = 6_000;

const SET = 'fleet';
const FORKED = 'forked terraform plan';
const DEFINED = { running: false } as const;

export const sweep: Benchmark<{ machines: number; plain: number; rounds: number }> = {
  name: 'sweep',
  title:
    'A full sweep of plans over a fleet of machines, defined and not started, all of which are as they should be',
  minutes: 5,
  counts: {
    tiny: { machines: 2, plain: 1, rounds: 1 },
    // A plan costs the same in a fleet of any size, and to make a thousand machines takes ten minutes.
    full: { machines: 300, plain: 50, rounds: 1 },
  },
  measures: {
    cpu: { title: 'CPU a machine', unit: 'CPU ms', against: FORKED },
    runs: { title: 'terraform processes a machine', unit: 'processes' },
    requests: { title: 'requests of the controller to the API server, a machine', unit: 'requests' },
  },
  targets: [
    {
      number: 11,
      says: 'at least 10 times less CPU than a plan with a forked provider for each',
      value: (median) => median('cpu', FORKED) / median('cpu', OURS),
      unit: '×',
      atLeast: 10,
    },
    {
      number: 11,
      says: 'at most 0.2 requests to the API server a machine',
      value: (median) => median('requests', OURS),
      unit: 'requests',
      atMost: 0.2,
    },
  ],
  async run(bench, { machines, plain: plainMachines, rounds }) {
    const cluster = await ClusterBed.up(bench, 'bench-sweep');
    const { bed, lab } = cluster;
    const log = await TerraformLog.in(bed.directory);
    await cluster.stop();
    await cluster.start({ CAPLV_TERRAFORM: log.program });
    const engine = await openBenchEngine(bed);
    bench.defer(() => engine.close());

    await importImage(bed, engine);
    const { kubeconfig } = lab.kube;
    const ways = [
      { way: FORKED, plain: new PlainTerraform(bed, engine, { kubeconfig }) },
      { way: WARM, plain: new PlainTerraform(bed, engine, { kubeconfig, isWarm: true }) },
    ];
    const namesOf = (way: string) =>
      Array.from({ length: plainMachines }, (_, index) => `${way.slice(0, 3).trim()}-${index}`);
    for (const { way, plain } of ways) {
      bench.progress(`${plainMachines} machines for ${way}`);
      await forEachOf(namesOf(way), availableParallelism(), async (name) => {
        await plain.prepare(name, DEFINED);
        await plain.create(name);
      });
    }
    const provider = await engine.providers.get(hostAt(bed.uri));
    bench.progress(`${machines} machines`);
    await cluster.set(SET, machines, DEFINED);
    await cluster.until('the fleet', () => cluster.made(SET) === machines, { patienceMs: 30 * 60_000 });

    for (let round = 1; round <= rounds; round++) {
      for (const { way, plain } of ways) {
        bench.progress(`round ${round} of ${rounds}: ${plainMachines} plans, ${way}`);
        const spent = () => endedChildrenCpuSeconds() + usageOf(provider.pid).cpuSeconds;
        const before = spent();
        await forEachOf(namesOf(way), availableParallelism(), (name) => plain.plan(name));
        bench.sample('cpu', way, ((spent() - before) * 1_000) / plainMachines);
      }
    }
    for (const { way, program } of BUILDS) {
      bench.progress(`starting ${program}`);
      await cluster.stop();
      await cluster.start({ CAPLV_TERRAFORM: log.program }, program);
      await untilVerified(cluster, machines);
      // The first one of this build finds out what there is to compare with.
      for (let round = way === OURS ? 0 : 1; round <= rounds; round++) {
        bench.progress(`sweep ${round} of ${rounds} over ${machines} machines: ${way}`);
        const { cpu, requests, runs } = await sweepOver(cluster, log, machines);
        const name = round > 0 ? way : FIRST;
        bench.sample('cpu', name, cpu);
        bench.sample('requests', name, requests);
        bench.sample('runs', name, runs.length / machines);
        if (runs.length > 0) bench.note(`${name}: ${countedVerbs(runs)}.`);
      }
    }
    bench.note(
      'The controller’s CPU is that of all its work: looking, writing status, terraform, the provider.',
    );
  },
};

/** What one sweep costs a machine, but for `runs`. */
async function sweepOver(
  cluster: ClusterBed,
  log: TerraformLog,
  machines: number,
): Promise<{ readonly cpu: number; readonly requests: number; readonly runs: readonly string[] }> {
  const requestsOf = async () => sumOf(await cluster.metrics(), 'rest_client_requests_total');
  const checked = async () => sumOf(await cluster.metrics(), 'caplv_periodic_plans_total');
  const idle = { at: performance.now(), requests: await requestsOf() };
  await sleep(IDLE_MS);
  const before = {
    at: performance.now(),
    requests: await requestsOf(),
    cpu: usageOf(cluster.pid).cpuSeconds,
    runs: (await log.runs()).length,
    checked: await checked(),
  };
  // Those that are reconciled meanwhile are checked already.
  await makePlansDue(cluster);
  await resync(cluster, SET);
  // Checks take turns, and the last may come after the resync. A build without that metric plans each machine by terraform.
  const isOver = async () => {
    const plans = (await log.runs()).slice(before.runs).filter((run) => run.startsWith('plan'));
    return Math.max((await checked()) - before.checked, plans.length) >= machines;
  };
  await cluster.until('the sweep', isOver, { patienceMs: SWEEP_LIMIT_MS, everyMs: 200 });
  const ms = performance.now() - before.at;
  const ofLease = ((before.requests - idle.requests) / (before.at - idle.at)) * ms;
  return {
    cpu: ((usageOf(cluster.pid).cpuSeconds - before.cpu) * 1_000) / machines,
    requests: Math.max(0, (await requestsOf()) - before.requests - ofLease) / machines,
    runs: (await log.runs()).slice(before.runs),
  };
}

/** `plan 1000, show 2`. */
function countedVerbs(runs: readonly string[]): string {
  const verbs = Map.groupBy(runs, (run) => run.split(' ')[0]);
  return `terraform ${[...verbs].map(([verb, all]) => `${verb} ${all.length}`).join(', ')}`;
}

/** Sets the time of each machine's last plan back by an hour. */
async function makePlansDue(cluster: ClusterBed): Promise<void> {
  const lastPlanTime = new Date(Date.now() - 3_600_000).toISOString();
  await forEachOf(cluster.all(SET), 4, async ({ metadata: { name }, status }) => {
    if (!status) return;
    const past = { ...status, providerStatus: { ...status.providerStatus, lastPlanTime } };
    const key = { namespace: 'default', name };
    await cluster.store.applyStatus(MachineKind, key, past, { fieldManager: 'caplv-controller' });
  });
}
