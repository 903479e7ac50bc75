/** Verifies that a MachineSet keeps its number of machines, also with an outdated cache. */

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MachineKind } from '../../../src/api/kinds/machine.ts';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import { FINALIZER } from '../../../src/api/schema/group.ts';
import { PAUSED_ANNOTATION } from '../../../src/api/schema/paused.ts';
import { controllerOf } from '../../../src/apimachinery/owner-reference.ts';
import { type Known, MachineSetReconciler } from '../../../src/controllers/machine-set/controller.ts';
import { PROCEED_UNTIL_ANNOTATION } from '../../../src/controllers/shared/proceed-until.ts';
import { LocalStore } from '../../../src/store/local-store.ts';
import { dyingStore, ProcessDied } from '../dying-store.ts';
import { key, NAMESPACE, untilNoConflict, World } from '../world.ts';

vi.setConfig({ testTimeout: 30_000 });

let world: World;

beforeEach(async () => {
  world = await World.open();
});

/** What is known, of which a part is old. */
const knownAs = (old: object): Known =>
  ({
    get: world.store.get.bind(world.store),
    list: world.store.list.bind(world.store),
    applyStatus: world.store.applyStatus.bind(world.store),
    ...old,
  }) as Known;

const ready = async (name = 'workers') =>
  (await world.set(name)).status?.conditions?.find(({ type }) => type === 'Ready');

describe('replicas', () => {
  it('makes machines from the template, owned by the set', async () => {
    await world.applySet({ replicas: 2 });
    await world.sets.reconcile(key('workers'));
    const [first, second, ...others] = await world.machines();
    expect(others).toEqual([]);
    expect([first?.metadata.name, second?.metadata.name]).toEqual(['workers-0', 'workers-1']);
    expect(first?.spec.providerSpec).toMatchObject({ vcpu: 1, memoryMiB: 64 });
    expect(first?.metadata.labels).toEqual({ app: 'workers' });
    const { uid } = (await world.set()).metadata;
    expect(first && controllerOf(first)).toMatchObject({ kind: 'MachineSet', name: 'workers', uid });
    expect(world.events).toEqual([
      'MachineSet workers: Created Machine workers-0',
      'MachineSet workers: Created Machine workers-1',
    ]);
  });

  it('follows from 0 to 5 to 2 to 0', async () => {
    for (const replicas of [0, 5, 2, 0]) {
      await world.applySet({ replicas });
      await world.settle();
      expect(await world.names()).toHaveLength(replicas);
      expect((await world.set()).status?.replicas).toBe(replicas);
    }
  });

  it('does nothing when all is as it should be, so that watches stay quiet', async () => {
    await world.applySet({ replicas: 2 });
    await world.settle();
    const before = (await world.set()).metadata.resourceVersion;
    await world.sets.reconcile(key('workers'));
    expect((await world.set()).metadata.resourceVersion).toBe(before);
  });

  it('makes one machine when replicas is left out', async () => {
    await world.applySet();
    await world.settle();
    expect(await world.names()).toEqual(['workers-0']);
  });

  it('waits with the successor until a deleted machine is gone, since its host may have no room for both', async () => {
    await world.applySet({ replicas: 2 });
    await world.settle();
    await world.holdMachines();
    await world.store.delete(MachineKind, key('workers-0'));
    await world.settle();
    expect(await world.names()).toEqual(['workers-0', 'workers-1']);
    await world.remove('workers-0');
    await world.settle();
    expect(await world.names()).toEqual(['workers-1', 'workers-2']);
  });

  it('gives no machine the name of one that is gone, not even when the newest went', async () => {
    await world.applySet({ replicas: 1 });
    await world.settle();
    await world.store.delete(MachineKind, key('workers-0'));
    await world.settle();
    expect(await world.names()).toEqual(['workers-1']);
  });

  it('does not touch a machine of another owner that has the next name', async () => {
    const foreign = await world.applyMachine('workers-0', { app: 'other' });
    await world.applySet({ replicas: 2 });
    await world.settle();
    expect(await world.names()).toEqual(['workers-0', 'workers-1', 'workers-2']);
    expect(await world.store.get(MachineKind, key('workers-0'))).toEqual(foreign);
  });

  it('keeps a failed machine: the next one would fail the same way', async () => {
    await world.applySet({ replicas: 2 });
    await world.settle();
    await world.makeReady('workers-0');
    await world.makeFailed('workers-1');
    await world.settle();
    expect(await world.names()).toEqual(['workers-0', 'workers-1']);
    expect((await ready())?.message).toContain('workers-1 (ImageNotFound: there is no image');
  });

  it('does nothing while the set is paused', async () => {
    await world.applySet({ replicas: 2 }, 'workers', { annotations: { [PAUSED_ANNOTATION]: '' } });
    await world.settle();
    expect(await world.names()).toEqual([]);
    expect(await ready()).toMatchObject({ status: 'False', reason: 'Paused' });
  });
});

describe('what is known, and a moment old', () => {
  it('is enough to count by, so that a change of one of many machines asks the API server for nothing', async () => {
    await world.applySet({ replicas: 3 });
    await world.settle();
    const asked: unknown[] = [];
    const store = new Proxy(world.store, {
      get: (target, name) => {
        asked.push(name);
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const sets = new MachineSetReconciler({ store, known: world.store, recorder: { event: () => {} } });
    await world.makeReady('workers-1');
    await sets.reconcile(key('workers'));
    expect((await world.set()).status?.readyReplicas).toBe(1);
    expect(asked).toEqual([]);
  });

  it('makes and deletes nothing: machines that are lacking there, or too many, are looked up', async () => {
    await world.applySet({ replicas: 2 });
    await world.settle();
    const before = await world.names();
    const [first, second] = await world.machines();
    for (const old of [
      [],
      [first],
      [first, second, { ...second, metadata: { ...second?.metadata, name: 'gone' } }],
    ]) {
      const known = knownAs({ list: async () => old });
      const sets = new MachineSetReconciler({ store: world.store, known, recorder: { event: () => {} } });
      await sets.reconcile(key('workers'));
      expect(await world.names()).toEqual(before);
      expect(await world.leaving()).toEqual([]);
    }
  });
});

describe('a set that is known as it was a moment ago', () => {
  it('loses no machine that it asks for by now, and none when it is no longer there', async () => {
    await world.applySet({ replicas: 1 });
    await world.settle();
    const old = await world.set();
    await world.applySet({ replicas: 2 });
    await world.settle();
    const sets = () =>
      new MachineSetReconciler({
        store: world.store,
        known: knownAs({ get: async () => old }),
        recorder: { event: () => {} },
      });
    await sets().reconcile(key('workers'));
    expect(await world.names()).toEqual(['workers-0', 'workers-1']);
    expect(await world.leaving()).toEqual([]);
    await world.store.delete(MachineSetKind, key('workers'));
    await world.settle();
    await sets().reconcile(key('workers'));
    expect(await world.names()).toEqual([]);
  });
});

describe('never more machines than asked for', () => {
  it('after a restart at any point', async () => {
    for (let writes = 0; ; writes++) {
      const fresh = await World.open();
      await fresh.applySet({ replicas: 3 });
      const died = await fresh
        .controllersOver(dyingStore(fresh.store, writes))
        .sets.reconcile(key('workers'))
        .then(() => false)
        .catch((error: unknown) => error instanceof ProcessDied);
      expect((await fresh.names()).length).toBeLessThanOrEqual(3);
      await fresh.settle();
      expect(await fresh.names()).toEqual(['workers-0', 'workers-1', 'workers-2']);
      if (!died) return;
    }
  });

  it('with several controllers at work that do not know of each other', async () => {
    await world.applySet({ replicas: 4 });
    const processes = await Promise.all(
      Array.from({ length: 3 }, async () =>
        world.controllersOver(await LocalStore.open(world.store.stateDir)),
      ),
    );
    const all = () =>
      Promise.all(processes.map(({ sets }) => untilNoConflict(() => sets.reconcile(key('workers')))));
    await all();
    expect(await world.names()).toEqual(['workers-0', 'workers-1', 'workers-2', 'workers-3']);
    await world.applySet({ replicas: 2 });
    await all();
    expect(await world.names()).toHaveLength(2);
  });

  it('when the set lost the memory of its numbers', async () => {
    await world.applySet({ replicas: 2 });
    await world.settle();
    const set = await world.set();
    const metadata = { ...set.metadata, annotations: {} };
    await world.store.update(MachineSetKind, { ...set, metadata }, { fieldManager: 'person' });
    await world.applySet({ replicas: 3 });
    await world.settle();
    expect(await world.names()).toEqual(['workers-0', 'workers-1', 'workers-2']);
  });
});

describe('whose machines they are', () => {
  it('adopts machines that the selector matches and that have no owner', async () => {
    await world.applyMachine('by-hand', { app: 'workers' });
    await world.applySet({ replicas: 2 });
    await world.settle();
    expect(await world.names()).toEqual(['by-hand', 'workers-0']);
    expect(world.events).toContain(
      'MachineSet workers: Adopted Machine by-hand: it had no owner, and the selector selects its labels',
    );
  });

  it('does not touch machines of another set that its own selector matches, too', async () => {
    await world.applySet({ replicas: 2 }, 'first');
    await world.settle();
    await world.applySet({ replicas: 1 }, 'second');
    await world.settle();
    expect(await world.names()).toEqual(['first-0', 'first-1', 'second-0']);
  });

  it('gives a machine to one of two sets that want it', async () => {
    await world.applyMachine('by-hand', { app: 'workers' });
    await world.applySet({ replicas: 1 }, 'first');
    await world.applySet({ replicas: 1 }, 'second');
    const reconcile = (name: string) => untilNoConflict(() => world.sets.reconcile(key(name)));
    await Promise.all([reconcile('first'), reconcile('second')]);
    expect(await world.names()).toHaveLength(2);
    const owners = (await world.machines()).map((machine) => controllerOf(machine)?.name);
    expect(owners.sort()).toEqual(['first', 'second']);
  });

  it('releases a machine that no longer matches, and replaces it: how to take a machine out for debugging', async () => {
    await world.applySet({ replicas: 2 });
    await world.settle();
    await world.holdMachines();
    const machine = (await world.machines())[0];
    if (!machine) throw new Error('no machine');
    const metadata = { ...machine.metadata, labels: { app: 'broken' } };
    await world.store.update(MachineKind, { ...machine, metadata }, { fieldManager: 'person' });
    await world.settle();
    expect(await world.names()).toEqual(['workers-0', 'workers-1', 'workers-2']);
    const released = await world.store.get(MachineKind, key('workers-0'));
    expect(released?.metadata.ownerReferences).toEqual([]);
    expect(released?.metadata.finalizers).toEqual([FINALIZER]);
    expect(released?.spec.providerSpec).toMatchObject({ vcpu: 1 });
  });

  it('gives up a machine whose deletion hangs when its label is taken away', async () => {
    await world.applySet({ replicas: 1 });
    await world.settle();
    await world.holdMachines();
    await world.store.delete(MachineKind, key('workers-0'));
    await world.settle();
    expect(await world.names()).toEqual(['workers-0']);
    const machine = (await world.machines())[0];
    if (!machine) throw new Error('no machine');
    const metadata = { ...machine.metadata, labels: {} };
    await world.store.update(MachineKind, { ...machine, metadata }, { fieldManager: 'person' });
    await world.settle();
    expect(await world.names()).toEqual(['workers-0', 'workers-1']);
  });
});

describe('which machine goes first', () => {
  it('deletes nothing twice while deletions take their time', async () => {
    await world.applySet({ replicas: 4 });
    await world.settle();
    await world.holdMachines();
    await world.applySet({ replicas: 2 });
    await world.settle();
    await world.settle();
    expect(await world.leaving()).toHaveLength(2);
    expect(await ready()).toMatchObject({
      reason: 'ScalingDown',
      message: '4 machines exist, 2 are asked for',
    });
  });

  it('takes the one that a person marked', async () => {
    await world.applySet({ replicas: 3 });
    await world.settle();
    await world.allReady();
    const marked = { ...key('workers-1'), annotations: { 'cluster-api.k8s.io/delete-machine': 'yes' } };
    await world.store.apply(MachineKind, { metadata: marked }, { fieldManager: 'person' });
    await world.applySet({ replicas: 2 });
    await world.settle();
    expect(await world.names()).toEqual(['workers-0', 'workers-2']);
  });

  it('deletes broken machines before working ones', async () => {
    await world.applySet({ replicas: 3, deletePolicy: 'Oldest' });
    await world.settle();
    await world.makeReady('workers-0');
    await world.makeFailed('workers-1');
    await world.applySet({ replicas: 2, deletePolicy: 'Oldest' });
    await world.settle();
    expect(await world.names()).toEqual(['workers-0', 'workers-2']);
    await world.applySet({ replicas: 1, deletePolicy: 'Oldest' });
    await world.settle();
    expect(await world.names()).toEqual(['workers-0']);
  });
});

describe('status', () => {
  it('counts machines, and those that are ready and available', async () => {
    await world.applySet({ replicas: 3, minReadySeconds: 3_600 });
    await world.settle();
    await world.makeReady('workers-0');
    await world.makeReady('workers-1', new Date().toISOString());
    const { requeueAfterMs = 0 } = await world.sets.reconcile(key('workers'));
    expect((await world.set()).status).toMatchObject({
      replicas: 3,
      fullyLabeledReplicas: 3,
      readyReplicas: 2,
      availableReplicas: 1,
      selector: 'app=workers',
      observedGeneration: 1,
    });
    expect(await ready()).toMatchObject({
      status: 'False',
      reason: 'MachinesNotReady',
      message:
        '1 of 3 machines are available; not available: workers-1 (ready, waiting for minReadySeconds), workers-2 (new)',
    });
    // Nothing but time makes workers-1 available.
    expect(requeueAfterMs).toBeGreaterThan(0);
    expect(requeueAfterMs).toBeLessThanOrEqual(3_600_000);
  });

  it('is ready when all machines are', async () => {
    await world.applySet({ replicas: 2 });
    await world.settleWithMachines();
    expect(await ready()).toMatchObject({ status: 'True', reason: 'AsSpecified', message: '' });
  });

  it('reports why a set cannot work, and removes the report when it is repaired', async () => {
    await world.applySet({ replicas: 1 });
    const set = await world.set();
    const broken = { ...set, spec: { ...set.spec, selector: { matchLabels: { app: 'other' } } } };
    await world.store.update(MachineSetKind, broken, { fieldManager: 'person' });
    await expect(world.sets.reconcile(key('workers'))).rejects.toThrow(/selector does not select/);
    expect((await world.set()).status).toMatchObject({ errorReason: 'InvalidConfiguration', replicas: 0 });
    await world.store.update(
      MachineSetKind,
      { ...(await world.set()), spec: set.spec },
      { fieldManager: 'person' },
    );
    await world.settle();
    expect(await world.names()).toEqual(['workers-0']);
    expect((await world.set()).status?.errorReason).toBeUndefined();
  });
});

describe('deletion', () => {
  it('takes all machines first, then the set', async () => {
    await world.applySet({ replicas: 2 });
    await world.settle();
    await world.holdMachines();
    await world.store.delete(MachineSetKind, key('workers'));
    await world.settle();
    expect(await world.leaving()).toEqual(['workers-0', 'workers-1']);
    expect(await ready()).toMatchObject({ reason: 'Deleting', message: '2 machines are left' });
    await world.remove('workers-0');
    await world.remove('workers-1');
    await world.settle();
    expect(await world.store.list(MachineSetKind, { namespace: NAMESPACE })).toEqual([]);
  });

  it('spares the machines of another owner and those without one', async () => {
    await world.applySet({ replicas: 1 }, 'first');
    await world.applySet({ replicas: 1 }, 'second');
    await world.settle();
    await world.applyMachine('by-hand', { app: 'other' });
    await world.store.delete(MachineSetKind, key('first'));
    await world.settle();
    expect(await world.names()).toEqual(['by-hand', 'second-0']);
  });

  it('leaves the machines running when the deletion is to orphan them', async () => {
    await world.applySet({ replicas: 1 });
    await world.settle();
    // What `kubectl delete --cascade=orphan` does, then what Kubernetes' garbage collector does.
    const collector = { fieldManager: 'garbage-collector' };
    await world.store.apply(
      MachineSetKind,
      { metadata: { ...key('workers'), finalizers: ['orphan'] } },
      collector,
    );
    await world.store.delete(MachineSetKind, key('workers'));
    await world.settle();
    expect(await world.leaving()).toEqual([]);
    const [machine] = await world.machines();
    if (!machine) throw new Error('no machine');
    const metadata = { ...machine.metadata, ownerReferences: [] };
    await world.store.update(MachineKind, { ...machine, metadata }, collector);
    await world.store.apply(MachineSetKind, { metadata: key('workers') }, collector);
    await world.settle();
    expect(await world.store.list(MachineSetKind)).toEqual([]);
    expect(await world.names()).toEqual(['workers-0']);
  });
});

describe('a set that suddenly has many more machines than were ever asked for', () => {
  async function surplus(count: number): Promise<void> {
    for (let index = 0; index < count; index++)
      await world.applyMachine(`stray-${index}`, { app: 'workers' });
  }

  it('freezes: it deletes and makes none, says so once, and tells the ways out', async () => {
    await world.applySet({ replicas: 2 });
    await world.settle();
    await surplus(4);
    await world.settle();
    expect(await world.names()).toHaveLength(6);
    expect(await ready()).toMatchObject({ status: 'False', reason: 'TooManyMachines' });
    expect((await ready())?.message).toMatch(/^6 machines exist, and 2 were asked for: .*proceed-until=/);
    expect(world.events.filter((event) => event.includes(': TooManyMachines '))).toHaveLength(1);
    await world.applySet({ replicas: 1 });
    await world.settle();
    expect(await world.names()).toHaveLength(6);
  });

  it('thaws when a person says until when, or asks for as many', async () => {
    await world.applySet({ replicas: 2 });
    await world.settle();
    await surplus(4);
    await world.settle();
    await world.applySet({ replicas: 5 });
    await world.settle();
    expect(await world.names()).toHaveLength(5);
    await surplus(8);
    await world.settle();
    expect(await ready()).toMatchObject({ reason: 'TooManyMachines' });
    const until = new Date(Date.now() + 60_000).toISOString();
    await world.applySet({ replicas: 5 }, 'workers', { annotations: { [PROCEED_UNTIL_ANNOTATION]: until } });
    await world.settle();
    expect(await world.names()).toHaveLength(5);
  });

  it('one too many is none too many', async () => {
    await world.applySet({ replicas: 3 });
    await world.settle();
    await surplus(1);
    await world.settle();
    expect(await world.names()).toHaveLength(3);
  });
});
