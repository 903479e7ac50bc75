/**
 * A store in which LibvirtMachines stand among the Machines, and LibvirtClusters among the Clusters, under keys of their own (see
 * `infrastructureKey`). So whatever looks at all machines of a host (placement, budgets, orphans) sees those of both APIs, and the
 * phases of a reconcile serve both. What is written to one of them is written to the LibvirtMachine or LibvirtCluster. Watches show those of
 * the original API alone: those of the current one are watched as what they are.
 */

import { type LibvirtCluster, LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import { ClusterKind, type ClusterStatus } from '../../api/kinds/cluster.ts';
import { MachineKind, type MachineStatus } from '../../api/kinds/machine.ts';
import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { keyOf, resourceName } from '../../apimachinery/object-key.ts';
import { TransientError } from '../../errors.ts';
import { isInfrastructure, objectKey, objectName } from '../../intent/names.ts';
import { hasReason } from '../../kube/client/api-error.ts';
import { ForwardingStore } from '../../kube/runtime/forwarding-store.ts';
import type {
  ApplyOptions,
  GetOptions,
  ListOptions,
  StatusOptions,
  Store,
  WriteOptions,
} from '../../store/store.ts';
import { asCluster, libvirtClusterStatus } from './cluster-projection.ts';
import { asMachine, libvirtMachineStatus } from './machine-projection.ts';
import type { MoveRecords } from './move-records.ts';
import { ownerOfCluster, ownersOfMachine } from './owners.ts';

/** Of deploy/infrastructure/rbac. */
const INFRASTRUCTURE_ROLE = 'caplv-controller-infrastructure';

export interface ProjectedStoreOptions {
  /** Of the original API's kinds, and of all others. */
  readonly store: Store;
  /** Of the kinds of the current Cluster API. Default: the same. */
  readonly infrastructure?: Store;
  /** Whether the API server has those kinds. Throws while that cannot be found out. */
  readonly serves: () => Promise<boolean>;
  /** Keeps beside the state of a machine what its status says, before that is written. Absent: nothing is kept. */
  readonly records?: Pick<MoveRecords, 'keep'>;
}

/** How objects of one kind of the original API are shown, and written, that are of the current one. */
interface Projection {
  readonly kind: ResourceKind;
  show(object: KubeObject): Promise<KubeObject>;
  status(object: KubeObject, written: unknown): Promise<unknown>;
}

export class ProjectedStore extends ForwardingStore {
  readonly #infrastructure: Store;
  readonly #serves: () => Promise<boolean>;
  readonly #records: Pick<MoveRecords, 'keep'> | undefined;
  readonly #projections: ReadonlyMap<string, Projection>;

  constructor({ store, infrastructure = store, serves, records }: ProjectedStoreOptions) {
    super(store);
    this.#infrastructure = infrastructure;
    this.#serves = serves;
    this.#records = records;
    this.#projections = new Map<string, Projection>([
      [
        resourceName(MachineKind),
        {
          kind: LibvirtMachineKind as ResourceKind,
          show: async (one) =>
            asMachine(one as LibvirtMachine, await ownersOfMachine(infrastructure, one as LibvirtMachine)),
          status: async (one, written) => {
            const owners = await ownersOfMachine(infrastructure, one as LibvirtMachine);
            const now = new Date().toISOString();
            return libvirtMachineStatus(one as LibvirtMachine, written as MachineStatus, owners, now);
          },
        },
      ],
      [
        resourceName(ClusterKind),
        {
          kind: LibvirtClusterKind as ResourceKind,
          show: async (one) =>
            asCluster(one as LibvirtCluster, await ownerOfCluster(infrastructure, one as LibvirtCluster)),
          status: async (one, written) => {
            const owner = await ownerOfCluster(infrastructure, one as LibvirtCluster);
            const now = new Date().toISOString();
            return libvirtClusterStatus(one as LibvirtCluster, written as ClusterStatus, owner, now);
          },
        },
      ],
    ]);
  }

  /** Throws TransientError NotFound for an object of the current Cluster API while its kind is not served: what became of it is not known. */
  override async get<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    options?: GetOptions,
  ): Promise<T | undefined> {
    const projection = this.#projectionOf(kind, key);
    if (!projection) return super.get(kind, key, options);
    return readable(projection.kind, async () => {
      const one = await this.#read(projection, key, options);
      return one && ((await projection.show(one)) as T);
    });
  }

  override async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<T[]> {
    const projection = this.#projections.get(resourceName(kind));
    const own = await super.list(kind, options);
    if (!projection || !(await this.#serves())) return own;
    return readable(projection.kind, async () => {
      const others = await this.#infrastructure.list(projection.kind, options);
      return [...own, ...((await Promise.all(others.map((one) => projection.show(one)))) as T[])];
    });
  }

  override async setFinalizers<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    finalizers: readonly string[],
    options: WriteOptions,
  ): Promise<T | undefined> {
    const projection = this.#projectionOf(kind, object.metadata);
    if (!projection) return super.setFinalizers(kind, object, finalizers, options);
    const { uid, resourceVersion } = object.metadata;
    const metadata = { ...objectKey(keyOf(object)), uid, resourceVersion } as ObjectMeta;
    const named = { ...object, metadata } as KubeObject;
    const now = await this.#infrastructure.setFinalizers(projection.kind, named, finalizers, options);
    return now && ((await projection.show(now)) as T);
  }

  override async apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: Partial<T> & { metadata: ObjectMeta },
    options: ApplyOptions,
  ): Promise<T> {
    const projection = this.#projectionOf(kind, object.metadata);
    if (!projection) return super.apply(kind, object, options);
    const { namespace = 'default', name } = object.metadata;
    const metadata = { ...object.metadata, ...objectKey({ namespace, name }) };
    const applied = await this.#infrastructure.apply(
      projection.kind,
      { ...object, metadata } as never,
      options,
    );
    return (await projection.show(applied)) as T;
  }

  override async applyStatus<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    status: T['status'],
    { before, ...options }: StatusOptions,
  ): Promise<T> {
    const projection = this.#projectionOf(kind, key);
    if (!projection) return super.applyStatus(kind, key, status, { before, ...options });
    const one = await this.#read(projection, key);
    if (!one) throw notServed(projection.kind, key, 'is gone');
    if (projection.kind.kind === LibvirtMachineKind.kind)
      await this.#records?.keep(one as LibvirtMachine, status as MachineStatus);
    const applied = await this.#infrastructure.applyStatus(
      projection.kind,
      objectKey(key),
      await projection.status(one, status),
      { ...options, ...(before !== undefined && { before: one.status }) },
    );
    return (await projection.show(applied)) as T;
  }

  override async delete<T extends KubeObject>(
    kind: ResourceKind<T>,
    key: ObjectKey,
    preconditions?: { readonly uid?: string; readonly resourceVersion?: string },
  ): Promise<void> {
    const projection = this.#projectionOf(kind, key);
    if (!projection) return super.delete(kind, key, preconditions);
    return this.#infrastructure.delete(projection.kind, objectKey(key), preconditions);
  }

  #projectionOf(kind: ResourceKind, key: { readonly name: string }): Projection | undefined {
    return isInfrastructure(key) ? this.#projections.get(resourceName(kind)) : undefined;
  }

  async #read({ kind }: Projection, key: ObjectKey, options?: GetOptions): Promise<KubeObject | undefined> {
    if (!(await this.#serves())) throw notServed(kind, key, 'cannot be read: its kind is not served');
    return this.#infrastructure.get(kind, objectKey(key), options);
  }
}

/**
 * Names the missing ClusterRole where the API server lets nobody read the kinds of the current Cluster API. No list leaves them out
 * for that: a new machine could take the place or address of one that is not seen, and a sweep could remove what belongs to it.
 */
async function readable<T>({ kind }: ResourceKind, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!hasReason(error, 'Forbidden')) throw error;
    throw new TransientError({
      code: 'NotAllowed',
      message: `${kind}s are served, and their ClusterRole ${INFRASTRUCTURE_ROLE} is missing or not bound: ${error.message}`,
      fix: 'kubectl apply -k deploy/infrastructure/rbac',
      retryAfterMs: 10_000,
    });
  }
}

function notServed(kind: ResourceKind, key: ObjectKey, what: string): TransientError {
  return new TransientError({
    code: 'NotFound',
    message: `${kind.kind} ${key.namespace}/${objectName(key)} ${what}`,
    fix: `install the CustomResourceDefinition ${resourceName(kind)} again, should it be gone`,
    retryAfterMs: 10_000,
  });
}
