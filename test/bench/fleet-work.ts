/** What a benchmark has a controller do with a fleet that is there. */

import type { ClusterBed } from './cluster-bed.ts';
import { sumOf } from './exposition.ts';

const MACHINE = (labels: string) => labels.includes('="machine"');

/** Until the controller has looked at that many machines, besides `before`, and nothing is left in its queue. */
export function untilVerified(cluster: ClusterBed, count: number, before = 0): Promise<void> {
  const isVerified = async () => {
    const metrics = await cluster.metrics();
    return isIdle(metrics) && reconciled(metrics) >= count + before;
  };
  return cluster.until('the machines to be verified', isVerified, { everyMs: 100 });
}

function isIdle(metrics: string): boolean {
  const waiting = sumOf(metrics, 'workqueue_depth', MACHINE) + sumOf(metrics, 'workqueue_running', MACHINE);
  return waiting === 0;
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
  await untilVerified(cluster, cluster.all(set).length, before);
}

function reconciled(metrics: string): number {
  return sumOf(metrics, 'controller_reconcile_total', MACHINE);
}
