/** Triggers the work of a controller on an existing fleet, and waits for its end. */

import type { ClusterBed } from './cluster-bed.ts';
import { sumOf } from './exposition.ts';

const MACHINE = (labels: string) => labels.includes('="machine"');

/** Waits until the controller has checked that many machines, besides `before`, and its queue is empty. */
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

/** Triggers a reconcile of all machines, as the periodic resync does, by a change of their Cluster that changes no machine. */
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
