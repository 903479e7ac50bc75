/** Checks that nothing is left after all machines are deleted. */

import { expect } from 'vitest';
import type { ClusterLab } from '../cluster/cluster-lab.ts';
import type { ControllerProcess } from '../cluster/controller-process.ts';
import type { Churn } from './churn.ts';
import { remains } from './cluster-facts.ts';
import type { FaultPoints } from './fault-points.ts';

/** All machines go, then the controller: nothing of either is left, on the host, in the cluster, or of processes and files. */
export async function expectNothingLeft(
  { lab, churn, faults }: { readonly lab: ClusterLab; readonly churn: Churn; readonly faults: FaultPoints },
  controller: ControllerProcess,
  soon: { readonly timeout: number; readonly interval: number },
): Promise<void> {
  await churn.deleteAll();
  await expect.poll(() => remains(lab), soon).toEqual([]);
  await controller.stop();
  await expect.poll(() => faults.processes(), soon).toEqual([]);
  expect(await faults.temporaryFiles()).toEqual([]);
}
