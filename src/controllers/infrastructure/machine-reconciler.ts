/**
 * The LibvirtMachine controller: phases for the contract of Cluster API, in its order; the last has all those of a Machine of the
 * original API.
 */

import {
  type ContractCluster,
  ContractClusterKind,
  type ContractMachine,
  WATCH_FILTER_LABEL,
} from '../../api/infrastructure/contract.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import { MachineKind, type MachineStatus } from '../../api/kinds/machine.ts';
import { FINALIZER } from '../../api/schema/group.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { instanceIdOf } from '../../intent/instance-id.ts';
import { type MachineIdentity, objectKey } from '../../intent/names.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import { removeFinalizer } from '../../store/finalizer.ts';
import type { Store } from '../../store/store.ts';
import type { MachineReconciler } from '../machine/controller.ts';
import { FIELD_MANAGER, MachineScope } from '../machine/scope/scope.ts';
import type { ConditionType, Reason } from '../shared/conditions.ts';
import { type Phase, runPhases, type Stop } from '../shared/phases.ts';
import type { AddressClaims } from './address-claims.ts';
import { asMachine } from './machine-projection.ts';
import type { MoveBlocks } from './move-blocks.ts';
import { isToBeTakenOver } from './move-record.ts';
import type { MoveRecords } from './move-records.ts';
import { isPaused, type MachineOwners, machineNaming, otherOwner, ownersOfMachine } from './owners.ts';

/** The Secrets of a moved machine come after it. */
const TAKE_OVER_MS = 2_000;

export interface LibvirtMachineReconcilerOptions {
  /** Of the kinds of the current Cluster API. */
  readonly infrastructure: Pick<Store, 'get' | 'list'>;
  /** Where LibvirtMachines stand among the Machines: see `ProjectedStore`. */
  readonly store: Store;
  readonly machines: Pick<MachineReconciler, 'reconcile'>;
  readonly blocks: Pick<MoveBlocks, 'isLeft' | 'clear' | 'throughout'>;
  readonly records: Pick<MoveRecords, 'takeOver'>;
  readonly addresses: Pick<AddressClaims, 'ensure' | 'release'>;
  /** Waits until no other run works on the state of a machine at that libvirt URI; see `Actuator.settle`. */
  readonly settle: (machine: MachineIdentity, uri: string) => Promise<void>;
  /** Value of the label watch-filter; others, and those without, are left alone. Undefined: all are served. */
  readonly watchFilter: string | undefined;
}

/** Why nothing is made yet. */
interface Wait {
  readonly condition: ConditionType;
  readonly reason: Reason | 'NotOwned';
  readonly message: string;
  /** Something may be made soon, so that its end is to be seen to. */
  readonly claims?: boolean;
}

/** What the phases share. */
interface LibvirtMachineReconcile extends LibvirtMachineReconcilerOptions {
  /** Of the machine among the Machines. */
  readonly key: ObjectKey;
  readonly owners: MachineOwners;
  /** As it is known; `takeOver` reads it again. */
  one: LibvirtMachine;
}

const PHASES: readonly Phase<LibvirtMachineReconcile>[] = [
  { run: endBlock },
  { run: takeOver },
  { run: awaitContract },
  { run: claimAddresses },
  { run: reconcileMachine },
];

export class LibvirtMachineReconciler {
  readonly #options: LibvirtMachineReconcilerOptions;

  constructor(options: LibvirtMachineReconcilerOptions) {
    this.#options = options;
  }

  /** `key`: see `infrastructureKey`. Throws TransientError or TerminalError; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const { infrastructure, watchFilter } = this.#options;
    const one = await infrastructure.get(LibvirtMachineKind, objectKey(key));
    if (!one || !isServed(one, watchFilter)) return {};
    const owners = await ownersOfMachine(infrastructure, one);
    return runPhases(PHASES, { ...this.#options, key, owners, one });
  }
}

/** Lets `clusterctl move` go on where a process that ended had it wait, once nothing of that process is at work any more. */
async function endBlock({ key, one, blocks, settle }: LibvirtMachineReconcile): Promise<undefined> {
  if (!blocks.isLeft(one, key)) return;
  const uri = one.status?.providerStatus?.pinned?.uri;
  if (uri === undefined) await blocks.clear(one);
  else await settle({ ...key, uid: instanceIdOf(asMachine(one)) }, uri);
}

/**
 * After `clusterctl move`, which takes no status along: writes what was kept beside the state. Ends the reconcile if the machine is
 * not this object's; nothing on a host is touched because of it.
 */
async function takeOver(reconcile: LibvirtMachineReconcile): Promise<Stop | undefined> {
  const { key, one, owners, infrastructure, store, records, addresses } = reconcile;
  if (!isToBeTakenOver(one) || isPaused(one, owners.cluster)) return undefined;
  const options = { fieldManager: FIELD_MANAGER };
  const found = await records.takeOver(one);
  if ('refused' in found) {
    const { deletionTimestamp, uid } = one.metadata;
    if (deletionTimestamp) {
      await addresses.release(key);
      await removeFinalizer(store, MachineKind, { ...key, uid }, FINALIZER, options);
    } else await recordWait(reconcile, refusal(one, found.refused));
    return { requeueAfterMs: TAKE_OVER_MS };
  }
  const before = asMachine(one, owners).status;
  const status: MachineStatus = { ...before, phase: 'Provisioned', providerStatus: found };
  await store.applyStatus(MachineKind, key, status, { ...options, before });
  const now = await infrastructure.get(LibvirtMachineKind, objectKey(key), { fresh: true });
  if (!now) return { requeueAfterMs: TAKE_OVER_MS };
  reconcile.one = now;
  return undefined;
}

/** Ends the reconcile while something of Cluster API is missing that a machine needs. One that goes, or is paused, waits for nothing. */
async function awaitContract(reconcile: LibvirtMachineReconcile): Promise<Stop | undefined> {
  const { one, owners, infrastructure } = reconcile;
  if (one.metadata.deletionTimestamp !== undefined || isPaused(one, owners.cluster)) return undefined;
  const naming = owners.machine ? undefined : await machineNaming(infrastructure, one);
  const clusterKey = { namespace: keyOf(one).namespace, name: naming?.spec.clusterName ?? '' };
  const wait = naming
    ? waitOfNamed(naming, await infrastructure.get(ContractClusterKind, clusterKey))
    : waitOf(one, owners);
  if (!wait) return undefined;
  await recordWait(reconcile, wait);
  return {};
}

/** Ends the reconcile while a pool has not granted an address. One that goes, or is paused, claims nothing. */
async function claimAddresses({
  one,
  owners,
  addresses,
}: LibvirtMachineReconcile): Promise<Stop | undefined> {
  if (one.metadata.deletionTimestamp !== undefined || isPaused(one, owners.cluster)) return undefined;
  return addresses.ensure(one, owners);
}

/** Goes through the phases of a Machine. */
async function reconcileMachine({ key, one, blocks, machines }: LibvirtMachineReconcile): Promise<Stop> {
  return blocks.throughout(key, one, () => machines.reconcile(key));
}

async function recordWait(
  { one, owners, store }: LibvirtMachineReconcile,
  { condition, reason, message, claims = false }: Wait,
): Promise<void> {
  const scope = new MachineScope(store, asMachine(one, owners));
  if (claims) await scope.claim(false);
  scope.setCondition(condition, 'False', reason, message);
  await scope.save();
}

function refusal({ spec }: LibvirtMachine, why: string): Wait {
  return {
    condition: 'HostReady',
    reason: 'NotOwned',
    message:
      `spec.providerID names ${spec.providerID}, which was made for another object, and that one did not come here by clusterctl move: ` +
      `${why}; delete this object, which touches nothing on a host, or move the original one`,
  };
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
