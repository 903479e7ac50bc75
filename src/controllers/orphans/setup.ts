/** Wires the periodic sweeps for what is on the hosts and in no state. */

import type { Policy } from '../../intent/policy.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import type { SetupDependencies } from '../shared/setup.ts';
import { OrphanSweep, type OrphanSweepOptions } from './collector.ts';
import { OrphanSweeps, type OrphanSweepsOptions } from './periodic-sweep.ts';

export interface OrphanSetup extends SetupDependencies, Omit<OrphanSweepOptions, 'store'> {
  readonly policy: Policy;
  /** Milliseconds between two sweeps. */
  readonly sweepMs: number;
}

export function setupOrphanSweeps(manager: Manager, setup: OrphanSetup): void {
  const { libvirt, liveStore, sweepMs } = setup;
  const sweep = new OrphanSweep({ ...setup, store: liveStore });
  const nameOf: OrphanSweepsOptions['nameOf'] = (uri) => libvirt(uri).uri;
  manager.add(new OrphanSweeps({ ...setup, sweep, nameOf, intervalMs: sweepMs }));
}
