/**
 * The LibvirtMachine controller: the guards of Cluster API's contract, in its order; then the same reconcile that a Machine of the
 * original API has.
 */

import {
  type ContractCluster,
  ContractClusterKind,
  type ContractMachine,
  WATCH_FILTER_LABEL,
} from '../../api/infrastructure/contract.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { objectKey } from '../../intent/names.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { Store } from '../../store/store.ts';
import type { MachineReconciler } from '../machine/controller.ts';
import { MachineScope } from '../machine/scope/scope.ts';
import type { ConditionType, Reason } from '../shared/conditions.ts';
import { asMachine } from './machine-projection.ts';
import { isPaused, type MachineOwners, machineNaming, otherOwner, ownersOfMachine } from './owners.ts';

export interface LibvirtMachineReconcilerOptions {
  /** Of the kinds of the current Cluster API. */
  readonly infrastructure: Pick<Store, 'get' | 'list'>;
  /** Where LibvirtMachines stand among the Machines: see `ProjectedStore`. */
  readonly store: Store;
  readonly machines: Pick<MachineReconciler, 'reconcile'>;
  /** Value of the label watch-filter; others, and those without, are left alone. Undefined: all are served. */
  readonly watchFilter: string | undefined;
}

/** Why nothing is made yet. */
interface Wait {
  readonly condition: ConditionType;
  readonly reason: Reason;
  readonly message: string;
  /** Something may be made soon, so that its end is to be seen to. */
  readonly claims?: boolean;
}

export class LibvirtMachineReconciler {
  readonly #options: LibvirtMachineReconcilerOptions;

  constructor(options: LibvirtMachineReconcilerOptions) {
    this.#options = options;
  }

  /** `key`: see `infrastructureKey`. Throws TransientError or TerminalError; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const { infrastructure, machines, watchFilter } = this.#options;
    const one = await infrastructure.get(LibvirtMachineKind, objectKey(key));
    if (!one || !isServed(one, watchFilter)) return {};
    const owners = await ownersOfMachine(infrastructure, one);
    const isLeft = one.metadata.deletionTimestamp !== undefined || isPaused(one, owners.cluster);
    const wait = isLeft ? undefined : await this.#waitOf(one, owners);
    if (!wait) return machines.reconcile(key);
    const scope = new MachineScope(this.#options.store, asMachine(one, owners));
    if (wait.claims) await scope.claim(false);
    scope.setCondition(wait.condition, 'False', wait.reason, wait.message);
    scope.summarize();
    await scope.save();
    return {};
  }

  async #waitOf(one: LibvirtMachine, owners: MachineOwners): Promise<Wait | undefined> {
    const { infrastructure } = this.#options;
    const naming = owners.machine ? undefined : await machineNaming(infrastructure, one);
    if (!naming) return waitOf(one, owners);
    const key = { namespace: keyOf(one).namespace, name: naming.spec.clusterName ?? '' };
    return waitOfNamed(naming, await infrastructure.get(ContractClusterKind, key));
  }
}

/** True for objects that this controller is for. */
export function isServed({ metadata }: KubeObject, watchFilter: string | undefined): boolean {
  return watchFilter === undefined || metadata.labels?.[WATCH_FILTER_LABEL] === watchFilter;
}

/** What the contract wants to be there before a machine is made; undefined: all is. */
export function waitOf(
  one: LibvirtMachine,
  { machine, cluster, infrastructure }: MachineOwners,
): Wait | undefined {
  if (!machine)
    return {
      condition: 'HostReady',
      reason: 'WaitingForOwner',
      message: `no Machine of cluster.x-k8s.io owns it${otherOwner(one, 'Machine')}; one whose spec.infrastructureRef names it sets the reference`,
    };
  const { clusterName = '' } = machine.spec;
  if (!cluster) return waitForCluster(clusterName);
  if (!infrastructure)
    return {
      condition: 'HostReady',
      reason: 'WaitingForClusterInfrastructure',
      message: `spec.infrastructureRef of the Cluster "${clusterName}" names no LibvirtCluster that is there`,
    };
  const isMade = one.status?.providerStatus?.appliedHash !== undefined;
  if (!isMade && cluster.status?.initialization?.infrastructureProvisioned !== true)
    return {
      condition: 'HostReady',
      reason: 'WaitingForClusterInfrastructure',
      message: `the Cluster "${clusterName}" does not say that its infrastructure is provisioned; see its LibvirtCluster`,
      claims: true,
    };
  if (machine.spec.bootstrap?.dataSecretName === undefined)
    return {
      condition: 'BootstrapDataReady',
      reason: 'WaitingForBootstrapData',
      message: `spec.bootstrap.dataSecretName of the Machine "${machine.metadata.name}" is not set; its bootstrap provider sets it`,
      claims: true,
    };
  return undefined;
}

/** Why the Machine that names a LibvirtMachine does not own it yet: Cluster API's manager first wants its Cluster. */
export function waitOfNamed(naming: ContractMachine, cluster: ContractCluster | undefined): Wait {
  if (!cluster) return waitForCluster(naming.spec.clusterName ?? '');
  return {
    condition: 'HostReady',
    reason: 'WaitingForOwner',
    message: `the Machine "${naming.metadata.name}" names it and does not own it yet; Cluster API's manager sets the reference`,
  };
}

function waitForCluster(name: string): Wait {
  return {
    condition: 'HostReady',
    reason: 'WaitingForCluster',
    message: `there is no Cluster "${name}" of cluster.x-k8s.io in its namespace`,
  };
}
