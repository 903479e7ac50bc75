/** Measures how soon a Cluster has its Nodes, against the same two guests that virsh starts. */

import { setTimeout as sleep } from 'node:timers/promises';
import { NodeWorld } from '../nodes/node-world.ts';
import { type Bench, type Benchmark, timed } from './benchmark.ts';
import { NodesByHand } from './nodes-by-hand.ts';
import { OURS, VIRSH } from './subjects.ts';

const CLUSTER = 'fuji';
const MACHINES = 'machines.cluster.x-k8s.io';
const NODES = 2;
/** Emulated guests of a busy machine take many minutes. */
const PATIENCE_MS = 40 * 60_000;
const LOOK_MS = 1_000;

export const nodes: Benchmark<{ rounds: number }> = {
  name: 'nodes',
  title: 'From a Cluster to two Nodes that are Ready: kubeadm on guests under TCG',
  minutes: 18,
  isSeparate: true,
  counts: { tiny: { rounds: 1 }, full: { rounds: 2 } },
  measures: {
    initialised: { title: 'to an API server that answers', unit: 's', against: VIRSH },
    ready: { title: 'to two Nodes that are Ready', unit: 's', against: VIRSH },
  },
  targets: [
    {
      number: 16,
      says: 'at most 1.15 times what the same guests take that virsh starts from the same image and user data',
      value: (median) => median('ready', OURS) / median('ready', VIRSH),
      unit: '×',
      atMost: 1.15,
    },
  ],
  async run(bench, { rounds }) {
    bench.note(
      'By hand: the same disks, seeds and domains; the worker starts when the control plane has initialised and has its token, as with Cluster API.',
    );
    for (let round = 1; round <= rounds; round++) await runRound(bench, `round ${round} of ${rounds}`);
  },
};

async function runRound(bench: Bench, name: string): Promise<void> {
  const world = await NodeWorld.up('bench-nodes', bench.progress);
  let isDown = false;
  const down = async () => {
    if (!isDown) await world.down();
    isDown = true;
  };
  bench.defer(down);

  bench.progress(`${name}: ${OURS}`);
  const manifests = await world.generate(CLUSTER);
  const began = performance.now();
  const sample = (measure: string, way: string, since: number) =>
    bench.sample(measure, way, (performance.now() - since) / 1_000);
  await world.objects.applyText(manifests);
  await until('the control plane', () => isInitialised(world));
  sample('initialised', OURS, began);
  const workload = await world.workload(CLUSTER);
  const areReady = async () => (await workload.readyNodes()).size === NODES;
  await until('the Nodes', areReady);
  sample('ready', OURS, began);
  await until('the Machines', () => doMachinesRun(world));

  bench.progress(`${name}: ${VIRSH}`);
  // Nothing repairs the machines while they are started by hand.
  await world.objects.patch('clusters.cluster.x-k8s.io', CLUSTER, { spec: { paused: true } });
  const hand = await NodesByHand.of(world, workload, CLUSTER);
  await hand.remove();
  const byHand = performance.now();
  await hand.startControlPlane();
  await until('the control plane by hand', () => hand.isInitialised());
  sample('initialised', VIRSH, byHand);
  await hand.giveToken();
  await hand.startWorker();
  await until('the Nodes by hand', areReady);
  sample('ready', VIRSH, byHand);
  bench.progress(`${name}: taken down in ${Math.round((await timed(down)) / 1_000)} s`);
}

async function isInitialised(world: NodeWorld): Promise<boolean> {
  const cluster = await world.objects.get('clusters.cluster.x-k8s.io', CLUSTER);
  const { initialization } = (cluster?.status ?? {}) as {
    readonly initialization?: { readonly controlPlaneInitialized?: boolean };
  };
  return initialization?.controlPlaneInitialized === true;
}

async function doMachinesRun(world: NodeWorld): Promise<boolean> {
  const machines = await world.objects.list(MACHINES);
  return machines.filter(({ status }) => status?.phase === 'Running').length === NODES;
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`${what}: not there after 40 minutes`);
    await sleep(LOOK_MS);
  }
}
