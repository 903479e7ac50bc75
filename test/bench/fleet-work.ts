/** What a benchmark has a controller do with a fleet that is there. */

import type { ClusterBed } from './cluster-bed.ts';
import { sumOf } from './exposition.ts';

const MACHINE = (labels: string) => labels.includes('="machine"');

/** True when the controller has looked at that many machines and nothing is left in its queue. */
export async function verified(cluster: ClusterBed, count: number, before = 0): Promise<boolean> {
  const metrics = await cluster.metrics();
  const waiting = sumOf(metrics, 'workqueue_depth', MACHINE) + sumOf(metrics, 'workqueue_running', MACHINE);
  return waiting === 0 && reconciled(metrics) - before >= count;
}

/** Has all machines looked at, as the periodic resync does: a change of their Cluster that means nothing to them. */
export async function resync(cluster: ClusterBed, set: string): Promise<void> {
  const before = reconciled(await cluster.metrics());
  await cluster.lab.kubectl(
    'annotate',
    'cluster',
    'bench',
    `bench/resync=${performance.now()}`,
    '--overwrite',
  );
  await cluster.until('the resync', () => verified(cluster, cluster.all(set).length, before));
}

function reconciled(metrics: string): number {
  return sumOf(metrics, 'controller_reconcile_total', MACHINE);
}
