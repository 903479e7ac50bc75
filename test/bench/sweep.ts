/** Measures the periodic plans of many machines. */

import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { hostAt } from '../lab/host-uri.ts';
import { type Benchmark, forEachOf } from './benchmark.ts';
import { ClusterBed } from './cluster-bed.ts';
import { resync } from './fleet-work.ts';
import { endedChildrenCpuSeconds, usageOf } from './process-tree.ts';
import { OURS, WARM } from './subjects.ts';
import { TerraformLog } from './terraform-log.ts';
import { importImage, openBenchEngine, PlainTerraform } from './ways.ts';

const SWEEP_LIMIT_MS = 600_000;

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
  measures: { cpu: { title: 'CPU a plan', unit: 'CPU ms', against: FORKED } },
  targets: [
    {
      number: 11,
      says: 'at least 3 times less CPU than a plan with a forked provider for each',
      value: (median) => median('cpu', FORKED) / median('cpu', OURS),
      unit: '×',
      atLeast: 3,
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

      bench.progress(`round ${round} of ${rounds}: a sweep over ${machines} machines`);
      // The first plans begin while the others are still being made due.
      const before = { cpu: usageOf(cluster.pid).cpuSeconds, runs: (await log.runs()).length };
      await makePlansDue(cluster);
      await resync(cluster, SET);
      // Plans take turns, and the last may come after the resync.
      let runs = (await log.runs()).slice(before.runs);
      for (const until = Date.now() + SWEEP_LIMIT_MS; runs.length < machines && Date.now() < until; ) {
        await sleep(100);
        runs = (await log.runs()).slice(before.runs);
      }
      if (runs.length < machines) throw new Error(`only ${runs.length} of ${machines} machines were planned`);
      bench.note(`Round ${round}: ${countedVerbs(runs)}.`);
      bench.sample('cpu', OURS, ((usageOf(cluster.pid).cpuSeconds - before.cpu) * 1_000) / machines);
    }
    bench.note(
      'The controller’s CPU is that of all its work: looking, writing status, terraform, the provider.',
    );
  },
};

/** `plan 1000, show 2`. */
function countedVerbs(runs: readonly string[]): string {
  const verbs = Map.groupBy(runs, (run) => run.split(' ')[0]);
  return `terraform ${[...verbs].map(([verb, all]) => `${verb} ${all.length}`).join(', ')}`;
}

/** As if an hour had passed since each machine was planned last. */
async function makePlansDue(cluster: ClusterBed): Promise<void> {
  const lastPlanTime = new Date(Date.now() - 3_600_000).toISOString();
  await forEachOf(cluster.all(SET), 4, async ({ metadata: { name }, status }) => {
    if (!status) return;
    const past = { ...status, providerStatus: { ...status.providerStatus, lastPlanTime } };
    const key = { namespace: 'default', name };
    await cluster.store.applyStatus(MachineKind, key, past, { fieldManager: 'caplv-controller' });
  });
}
