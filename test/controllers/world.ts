/** Starts controllers over a local store in a temporary directory, with a stand-in for machines. */

import { admit } from '../../src/api/kinds/admission.ts';
import { type Machine, MachineKind, type MachineStatus } from '../../src/api/kinds/machine.ts';
import { type MachineDeployment, MachineDeploymentKind } from '../../src/api/kinds/machine-deployment.ts';
import { type MachineSet, MachineSetKind } from '../../src/api/kinds/machine-set.ts';
import { API_VERSION, FINALIZER } from '../../src/api/schema/group.ts';
import { setCondition } from '../../src/apimachinery/conditions.ts';
import type { ObjectKey, ObjectMeta, ResourceKind } from '../../src/apimachinery/object.ts';
import { MachineDeploymentReconciler } from '../../src/controllers/machine-deployment/controller.ts';
import { MachineSetReconciler } from '../../src/controllers/machine-set/controller.ts';
import { TransientError } from '../../src/errors.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import type { Store } from '../../src/store/store.ts';
import { memoryDir } from '../terraform/scratch.ts';

export const NAMESPACE = 'default';
const LABELS = { app: 'workers' };
/** The Machine controller's. */
const MACHINE_MANAGER = { fieldManager: 'caplv-controller' } as const;
/** The field manager of a person who applies manifests. */
const PERSON = { fieldManager: 'caplv' } as const;

export const key = (name: string): ObjectKey => ({ namespace: NAMESPACE, name });

/** `vcpu` stands for any change of the template. */
export function template(vcpu = 1) {
  const providerSpec = { vcpu, memoryMiB: 64, imageURI: '/images/small.qcow2' };
  return { metadata: { labels: LABELS }, spec: { providerSpec } };
}

export class World {
  readonly store: LocalStore;
  readonly sets: MachineSetReconciler;
  readonly deployments: MachineDeploymentReconciler;
  /** `MachineSet workers: Created Machine workers-0`. */
  readonly events: string[] = [];

  private constructor(store: LocalStore) {
    this.store = store;
    const controllers = this.controllersOver(store);
    this.sets = controllers.sets;
    this.deployments = controllers.deployments;
  }

  static async open(): Promise<World> {
    return new World(await LocalStore.open(await memoryDir()));
  }

  /** As another process, or as one whose store fails, has them. */
  controllersOver(store: Store) {
    const recorder = {
      event: (object: { kind: string; metadata: ObjectMeta }, event: { reason: string; message: string }) => {
        this.events.push(`${object.kind} ${object.metadata.name}: ${event.reason} ${event.message}`);
      },
    };
    const options = { store, recorder };
    return {
      sets: new MachineSetReconciler(options),
      deployments: new MachineDeploymentReconciler(options),
    };
  }

  async applySet(
    spec: object = {},
    name = 'workers',
    metadata: Partial<ObjectMeta> = {},
  ): Promise<MachineSet> {
    const whole = { selector: { matchLabels: LABELS }, template: template(), ...spec };
    const set = { apiVersion: API_VERSION, kind: 'MachineSet', spec: whole } as unknown as MachineSet;
    const object = { ...set, metadata: { ...metadata, ...key(name) } };
    admit(object);
    return this.store.apply(MachineSetKind, object, PERSON);
  }

  async applyDeployment(
    spec: object = {},
    annotations: Record<string, string> = {},
  ): Promise<MachineDeployment> {
    const whole = { selector: { matchLabels: LABELS }, template: template(), ...spec };
    const object = {
      apiVersion: API_VERSION,
      kind: 'MachineDeployment',
      spec: whole,
      metadata: { ...key('workers'), annotations },
    };
    admit(object);
    return this.store.apply(MachineDeploymentKind, object as unknown as MachineDeployment, PERSON);
  }

  async applyMachine(name: string, labels: Record<string, string>): Promise<Machine> {
    const { spec } = template();
    return this.store.apply(MachineKind, { metadata: { ...key(name), labels }, spec }, PERSON);
  }

  async machines(): Promise<Machine[]> {
    return this.store.list(MachineKind, { namespace: NAMESPACE });
  }

  async names(): Promise<string[]> {
    return (await this.machines()).map(({ metadata }) => metadata.name);
  }

  async set(name = 'workers'): Promise<MachineSet> {
    return present(await this.store.get(MachineSetKind, key(name)), name);
  }

  async deployment(): Promise<MachineDeployment> {
    return present(await this.store.get(MachineDeploymentKind, key('workers')), 'workers');
  }

  /** Sets of the deployment with their sizes, by the vCPUs of their templates: `{1: 2, 2: 1}`. */
  async sizes(): Promise<Record<number, number>> {
    const sets = await this.store.list(MachineSetKind, { namespace: NAMESPACE });
    return Object.fromEntries(
      sets.map(({ spec }) => [spec.template.spec.providerSpec['vcpu'], spec.replicas]),
    );
  }

  async patchStatus(name: string, change: MachineStatus): Promise<void> {
    const machine = present(await this.store.get(MachineKind, key(name)), name);
    await this.store.applyStatus(MachineKind, key(name), { ...machine.status, ...change }, MACHINE_MANAGER);
  }

  /** As the Machine controller does when the domain runs and has an address. `since`: RFC 3339. */
  async makeReady(name: string, since = '2026-01-01T00:00:00Z'): Promise<void> {
    const condition = { type: 'Ready', status: 'True', reason: 'AsSpecified', message: '' } as const;
    await this.patchStatus(name, { phase: 'Running', conditions: setCondition(undefined, condition, since) });
  }

  /** As the controller of Nodes does when the kubelet of a machine says that it is ready. */
  async becomeNode(name: string): Promise<void> {
    const { status } = present(await this.store.get(MachineKind, key(name)), name);
    const ready = { type: 'NodeReady', status: 'True', reason: 'AsSpecified', message: '' } as const;
    const conditions = setCondition(status?.conditions, ready, '2026-01-01T00:00:00Z');
    await this.patchStatus(name, { nodeRef: { name: `node-${name}` }, conditions });
  }

  async makeFailed(name: string): Promise<void> {
    const message = 'there is no image /images/small.qcow2';
    const condition = { type: 'Ready', status: 'False', reason: 'ImageNotFound', message } as const;
    const conditions = setCondition(undefined, condition, '2026-01-01T00:00:00Z');
    await this.patchStatus(name, { phase: 'Failed', errorReason: 'ImageNotFound', conditions });
  }

  async allReady(): Promise<void> {
    for (const name of await this.names()) await this.makeReady(name);
  }

  /** As the Machine controller does first: from now on a deletion takes until `removeGone`. */
  async holdMachines(): Promise<void> {
    for (const { metadata } of await this.machines()) {
      if (metadata.deletionTimestamp) continue;
      const held = { ...key(metadata.name), finalizers: [FINALIZER] };
      await this.store.apply(MachineKind, { metadata: held }, MACHINE_MANAGER);
    }
  }

  /** As the Machine controller does when nothing is left of a machine on its host. */
  async remove(name: string): Promise<void> {
    await this.store.apply(MachineKind, { metadata: key(name) }, MACHINE_MANAGER);
  }

  async leaving(): Promise<string[]> {
    const machines = await this.machines();
    return machines.filter(({ metadata }) => metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
  }

  /** Reconciles everything until nothing changes any more. Machines only do what the test makes them do. */
  async settle(): Promise<void> {
    for (let before = ''; ; ) {
      await this.reconcileAll();
      const now = await this.fingerprint();
      if (now === before) return;
      before = now;
    }
  }

  /** Like `settle`, with machines that become ready and go at once. */
  async settleWithMachines(): Promise<void> {
    for (let before = ''; ; ) {
      await this.settle();
      await this.allReady();
      for (const name of await this.leaving()) await this.remove(name);
      const now = await this.fingerprint();
      if (now === before) return;
      before = now;
    }
  }

  async reconcileAll(): Promise<void> {
    for (const { metadata } of await this.store.list(MachineDeploymentKind)) {
      await this.deployments.reconcile(key(metadata.name));
    }
    for (const { metadata } of await this.store.list(MachineSetKind)) {
      await this.sets.reconcile(key(metadata.name));
    }
  }

  private async fingerprint(): Promise<string> {
    const kinds: ResourceKind[] = [MachineDeploymentKind, MachineSetKind, MachineKind];
    const lists = await Promise.all(kinds.map((kind) => this.store.list(kind)));
    return lists
      .flat()
      .map(({ metadata }) => metadata.resourceVersion)
      .join();
  }
}

/** As the queue does: a change that came in between is no failure. */
export async function untilNoConflict(work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (!(error instanceof TransientError) || error.code !== 'Conflict') throw error;
    }
  }
}

function present<T>(object: T | undefined, name: string): T {
  if (!object) throw new Error(`${name} is gone`);
  return object;
}
