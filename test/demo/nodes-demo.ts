/**
 * `npm run demo -- --nodes`: a Cluster of today's Cluster API comes up from nothing, on emulated guests: a control plane machine and a worker, by
 * kubeadm. It ends with `kubectl get nodes`, and takes all of it down again.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { NodeWorld } from '../nodes/node-world.ts';
import { interruption } from './interruption.ts';
import { say, show } from './words.ts';

const CLUSTER = 'fuji';
/** Nodes of the control plane and of the worker. */
const NODES = 2;
/** The emulated guests have minutes of work on two free cores; a busy machine makes them many. */
const LIMIT_MS = 40 * 60_000;
const INTERVAL_MS = 3_000;

/** `lab`: name of the lab, which ends with the demo. Resolves to the exit code. */
export async function nodesDemo(lab: string): Promise<number> {
  const interrupted = interruption();
  try {
    await showCluster(lab, interrupted);
    return 0;
  } catch (error) {
    if (!interrupted.aborted) throw error;
    say('nothing is left but the cache');
    return 130;
  }
}

async function showCluster(lab: string, interrupted: AbortSignal): Promise<void> {
  const world = await NodeWorld.up(lab, say);
  try {
    interrupted.throwIfAborted();
    say(`\nThe template of the release, for emulated guests, with its variables filled in:`);
    show(`clusterctl generate cluster ${CLUSTER} --from cluster-template.yaml | kubectl apply -f -`);
    const manifests = await world.generate(CLUSTER);
    await kubectl(world, ['apply', '--server-side', '-f', '-'], manifests);

    say('\nThe control plane takes two minutes on two free cores, the worker one and a half more:');
    show('kubectl get machines --watch');
    const watching = execa(world.kube.kubectl, ['get', 'machines.cluster.x-k8s.io', '--watch'], {
      env: { KUBECONFIG: world.kube.kubeconfig },
      stdio: ['ignore', 'inherit', 'inherit'],
      reject: false,
    });
    try {
      await nodesReady(world, interrupted);
    } finally {
      watching.kill();
      await watching;
    }
    show(`clusterctl describe cluster ${CLUSTER}`);
    say(await world.capi.clusterctl(['describe', 'cluster', CLUSTER]));
    const workload = await world.workload(CLUSTER);
    show(`clusterctl get kubeconfig ${CLUSTER} >${CLUSTER}.kubeconfig`);
    show(`kubectl --kubeconfig ${CLUSTER}.kubeconfig get pods --all-namespaces`);
    process.stdout.write(`${await workload.kubectl(['get', 'pods', '--all-namespaces'])}\n`);
    show(`kubectl --kubeconfig ${CLUSTER}.kubeconfig get nodes -o wide`);
    process.stdout.write(`${await workload.kubectl(['get', 'nodes', '-o', 'wide'])}\n`);
  } finally {
    say('\nIt is taken down again; the image of the nodes stays in the cache.');
    await world.down();
  }
}

async function kubectl(world: NodeWorld, args: readonly string[], input: string): Promise<void> {
  await execa(world.kube.kubectl, args, {
    env: { KUBECONFIG: world.kube.kubeconfig },
    input,
    stdout: 'inherit',
    stderr: 'inherit',
  });
}

async function nodesReady(world: NodeWorld, interrupted: AbortSignal): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const running = (await world.objects.list('machines.cluster.x-k8s.io')).filter(
      ({ status }) => status?.phase === 'Running',
    );
    if (running.length === NODES && (await (await world.workload(CLUSTER)).readyNodes()).size === NODES)
      return;
    if (performance.now() > deadline) throw new Error('the nodes did not become ready within 40 minutes');
    await sleep(INTERVAL_MS, undefined, { signal: interrupted });
  }
}
