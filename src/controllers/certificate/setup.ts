/** Wires the controller of serving certificates: which clusters it is called for. */

import { clusterNameOf, type Machine } from '../../api/kinds/machine.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { Controller } from '../../kube/runtime/controller.ts';
import type { Change } from '../../kube/runtime/informer.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import type { MachineView } from '../shared/machine-view.ts';
import { newController, type SetupDependencies } from '../shared/setup.ts';
import { CertificateReconciler, type CertificateReconcilerOptions } from './controller.ts';

export interface CertificateSetup
  extends SetupDependencies,
    Pick<CertificateReconcilerOptions, 'requests' | 'policy' | 'libvirt'> {
  readonly machines: Pick<MachineView, 'ofCluster'>;
  /** Has the controller called for the Clusters of LibvirtMachines that begin to run. */
  readonly watchLibvirtMachines?: ((controller: Controller, starts: StartsToRun) => void) | undefined;
}

/** True for changes by which a machine begins to run. */
export type StartsToRun = (change: Change<Pick<Machine, 'status'>>) => boolean;

/** Each may wait for the API server of a workload cluster, for seconds. */
const WORKERS = 8;

export function setupCertificateController(manager: Manager, setup: CertificateSetup): void {
  const { recorder, requests, policy, libvirt, metrics, machines } = setup;
  const decisions = metrics.counter(
    'caplv_serving_certificate_requests_total',
    'Certificate requests of kubelets in workload clusters that were decided on.',
    ['result'],
  );
  const reconciler = new CertificateReconciler({
    ...{ recorder, requests, policy, libvirt },
    machinesOf: machines.ofCluster,
    onDecision: (result) => decisions.inc({ result }),
  });
  const controller = newController(setup, {
    name: 'certificate',
    concurrency: WORKERS,
    reconcile: (cluster, context) => reconciler.reconcile(cluster, context),
  }).watch(setup.informers.machines, { when: startsToRun, keys: clusterKeys });
  setup.watchLibvirtMachines?.(controller, startsToRun);
  manager.add(controller);
}

function startsToRun({ type, object, before }: Parameters<StartsToRun>[0]): boolean {
  return type !== 'DELETED' && runs(object) && !(type === 'MODIFIED' && before && runs(before));
}

function runs({ status }: Pick<Machine, 'status'>): boolean {
  return status?.providerStatus?.instanceState === 'running';
}

function clusterKeys(machine: Machine): ObjectKey[] {
  const name = clusterNameOf(machine);
  const { namespace = 'default' } = machine.metadata;
  return name === undefined ? [] : [{ namespace, name }];
}
