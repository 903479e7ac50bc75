/** Verifies rollouts of the MachineDeployment controller, at any order of events and after restarts. */

import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  MachineDeploymentKind,
  type MachineDeploymentStatus,
} from '../../../src/api/kinds/machine-deployment.ts';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import { isControlledBy } from '../../../src/apimachinery/owner-reference.ts';
import {
  REVISION_ANNOTATION,
  TEMPLATE_HASH_LABEL,
} from '../../../src/controllers/machine-deployment/revision.ts';
import { dyingStore, ProcessDied } from '../dying-store.ts';
import { key, template, untilNoConflict, World } from '../world.ts';

// Many small writes; a machine that is busy otherwise needs its time for them.
vi.setConfig({ testTimeout: 30_000 });

let world: World;

beforeEach(async () => {
  world = await World.open();
});

const condition = async (type: string) =>
  (await world.deployment()).status?.conditions?.find((one) => one.type === type);

/** Makes `type` as old as that many seconds. */
const age = async (type: string, seconds: number) => {
  const { status } = await world.deployment();
  const lastTransitionTime = new Date(Date.now() - seconds * 1_000).toISOString();
  const conditions = status?.conditions?.map((one) =>
    one.type === type ? { ...one, lastTransitionTime } : one,
  );
  const aged = { ...status, conditions } as MachineDeploymentStatus;
  const manager = { fieldManager: 'caplv-machine-deployment' };
  await world.store.applyStatus(MachineDeploymentKind, key('workers'), aged, manager);
};

const revisions = async () => {
  const sets = await world.store.list(MachineSetKind);
  return sets.map(({ metadata }) => metadata.annotations?.[REVISION_ANNOTATION]).sort();
};

describe('the first rollout', () => {
  it('creates one set whose template has a label of its own, and the set creates the machines', async () => {
    await world.applyDeployment({ replicas: 2 });
    await world.settleWithMachines();
    const [set, ...others] = await world.store.list(MachineSetKind);
    expect(others).toEqual([]);
    const hash = set?.metadata.labels?.[TEMPLATE_HASH_LABEL];
    expect(set?.metadata.name).toBe(`workers-${hash}`);
    expect(set?.spec.selector.matchLabels).toEqual({ app: 'workers', [TEMPLATE_HASH_LABEL]: hash });
    expect(await world.names()).toEqual([`workers-${hash}-0`, `workers-${hash}-1`]);
    expect((await world.deployment()).status).toMatchObject({
      observedGeneration: 1,
      replicas: 2,
      updatedReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      unavailableReplicas: 0,
      selector: 'app=workers',
    });
    expect(await condition('Ready')).toMatchObject({ status: 'True', reason: 'AsSpecified' });
    expect(await condition('Available')).toMatchObject({
      status: 'True',
      reason: 'MinimumMachinesAvailable',
    });
    expect(await condition('Progressing')).toMatchObject({
      status: 'True',
      reason: 'NewMachineSetAvailable',
    });
    expect((await world.deployment()).metadata.annotations?.[REVISION_ANNOTATION]).toBe('1');
  });

  it('does nothing when all is as it should be, so that watches stay quiet', async () => {
    await world.applyDeployment({ replicas: 2 });
    await world.settleWithMachines();
    const versions = async () => [
      (await world.deployment()).metadata.resourceVersion,
      ...(await world.store.list(MachineSetKind)).map(({ metadata }) => metadata.resourceVersion),
    ];
    const before = await versions();
    await world.reconcileAll();
    expect(await versions()).toEqual(before);
  });

  it('ends with one set after a restart at any point', async () => {
    for (let writes = 0; ; writes++) {
      const fresh = await World.open();
      await fresh.applyDeployment({ replicas: 2 });
      const died = await fresh
        .controllersOver(dyingStore(fresh.store, writes))
        .deployments.reconcile(key('workers'))
        .then(() => false)
        .catch((error: unknown) => error instanceof ProcessDied);
      await fresh.settleWithMachines();
      expect(await fresh.sizes()).toEqual({ 1: 2 });
      expect(await fresh.names()).toHaveLength(2);
      if (!died) return;
    }
  });

  it('ends with one set when two controllers do not know of each other', async () => {
    await world.applyDeployment({ replicas: 2 });
    const { deployments } = world.controllersOver(world.store);
    await Promise.all(
      [world.deployments, deployments].map((one) => untilNoConflict(() => one.reconcile(key('workers')))),
    );
    expect(await world.sizes()).toEqual({ 1: 2 });
  });

  it('deletes no set of another owner that has the name it needs', async () => {
    await world.applyDeployment({ replicas: 1 });
    await world.settle();
    const [mine] = await world.store.list(MachineSetKind);
    const other = await World.open();
    const foreign = await other.applySet(
      { replicas: 0, selector: { matchLabels: { app: 'x' } }, template: foreignTemplate() },
      mine?.metadata.name,
    );
    await other.applyDeployment({ replicas: 1 });
    await other.settle();
    expect(await other.store.list(MachineSetKind)).toHaveLength(2);
    expect((await other.set(foreign.metadata.name)).spec).toEqual(foreign.spec);
  });
});

describe('a rolling update', () => {
  it('makes one more, waits until it is ready, and only then deletes an old one', async () => {
    await world.applyDeployment({ replicas: 2 });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 2, template: template(2) });
    await world.settle();
    expect(await world.sizes()).toEqual({ 1: 2, 2: 1 });
    expect((await world.deployment()).status).toMatchObject({
      observedGeneration: 2,
      replicas: 3,
      updatedReplicas: 1,
      availableReplicas: 2,
      unavailableReplicas: 1,
    });
    await world.holdMachines();
    await world.allReady();
    await world.settle();
    // The old one is on its way, and still takes its place.
    expect(await world.leaving()).toHaveLength(1);
    expect(await world.sizes()).toEqual({ 1: 1, 2: 1 });
    for (const name of await world.leaving()) await world.remove(name);
    await world.settle();
    expect(await world.sizes()).toEqual({ 1: 1, 2: 2 });
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 2: 2 });
    expect(await condition('Progressing')).toMatchObject({ reason: 'NewMachineSetAvailable' });
    expect(await revisions()).toEqual(['1', '2']);
  });

  it('waits for the Node of a new machine where the old ones are Nodes', async () => {
    await world.applyDeployment({ replicas: 1 });
    await world.settleWithMachines();
    const [old = ''] = await world.names();
    await world.becomeNode(old);
    await world.applyDeployment({ replicas: 1, template: template(2) });
    await world.settle();
    const [next = ''] = (await world.names()).filter((name) => name !== old);
    await world.makeReady(next);
    await world.settle();
    // The virtual machine runs, and no pod could go there.
    expect(await world.leaving()).toEqual([]);
    expect((await condition('Ready'))?.message).toContain('runs, and is no Node yet');
    await world.becomeNode(next);
    await world.settle();
    expect(await world.names()).toEqual([next]);
  });

  it('deletes the old machine first where both would have the same address, even if its author asks for one more', async () => {
    const fixed = (vcpu: number) => {
      const { metadata, spec } = template(vcpu);
      const interfaces = [{ addresses: ['192.168.122.10'] }];
      return { metadata, spec: { providerSpec: { ...spec.providerSpec, interfaces } } };
    };
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
    await world.applyDeployment({ replicas: 1, strategy, template: fixed(1) });
    await world.settleWithMachines();
    await world.holdMachines();
    await world.applyDeployment({ replicas: 1, strategy, template: fixed(2) });
    await world.settle();
    expect(await world.leaving()).toHaveLength(1);
    expect(await world.names()).toHaveLength(1);
    expect(await condition('Available')).toMatchObject({ status: 'False' });
    for (const name of await world.leaving()) await world.remove(name);
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 2: 1 });
    expect(await world.names()).toHaveLength(1);
  });

  it('has no machine too many when an old set is still at work on its size of before', async () => {
    await world.applyDeployment({ replicas: 2 });
    await world.settleWithMachines();
    const [old] = await world.store.list(MachineSetKind);
    await world.applyDeployment({ replicas: 3, template: template(2) });
    await world.deployments.reconcile(key('workers'));
    // The old set grows first, so that there are enough machines. It has read its size of 3, and takes its time.
    expect(await world.sizes()).toEqual({ 1: 3, 2: 0 });
    await world.deployments.reconcile(key('workers'));
    const [next] = (await world.store.list(MachineSetKind)).filter(
      ({ metadata }) => metadata.name !== old?.metadata.name,
    );
    await world.sets.reconcile(key(next?.metadata.name ?? ''));
    await world.allReady();
    await world.deployments.reconcile(key('workers'));
    expect(await world.sizes()).toEqual({ 1: 3, 2: 1 });
    // The set has made its third machine now.
    await world.sets.reconcile(key(old?.metadata.name ?? ''));
    expect(await world.machines()).toHaveLength(4);
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 2: 3 });
  });

  it('starts again when the template changes during a rollout', async () => {
    await world.applyDeployment({ replicas: 3 });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 3, template: template(2) });
    await world.settle();
    await world.applyDeployment({ replicas: 3, template: template(3) });
    await world.settle();
    // The incomplete second version is deleted first, since its machines serve nothing yet.
    expect(await world.sizes()).toEqual({ 1: 3, 2: 0, 3: 1 });
    await world.settleWithMachines();
    expect(await world.sizes()).toMatchObject({ 3: 3 });
  });

  it('stops at a version that does not come up, and all old machines stay', async () => {
    await world.applyDeployment({ replicas: 3 });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 3, template: template(2) });
    await world.settle();
    const [broken = ''] = (await newMachines(2)).map(({ metadata }) => metadata.name);
    await world.makeFailed(broken);
    await world.settle();
    expect(await world.sizes()).toEqual({ 1: 3, 2: 1 });
    expect(await condition('Available')).toMatchObject({ status: 'True' });
    await age('Progressing', 601);
    await world.settle();
    const late = await condition('Progressing');
    expect(late).toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded' });
    expect(late?.message).toContain(`${broken} (ImageNotFound: there is no image`);
  });

  it('checks a rollout again when its deadline is due', async () => {
    await world.applyDeployment({ replicas: 1, progressDeadlineSeconds: 60 });
    await world.settle();
    const { requeueAfterMs = 0 } = await world.deployments.reconcile(key('workers'));
    expect(requeueAfterMs).toBeGreaterThan(0);
    expect(requeueAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('goes on after the deadline when there is progress again', async () => {
    await world.applyDeployment({ replicas: 1 });
    await world.settle();
    await age('Progressing', 601);
    await world.settle();
    expect(await condition('Progressing')).toMatchObject({ reason: 'ProgressDeadlineExceeded' });
    await world.settleWithMachines();
    expect(await condition('Progressing')).toMatchObject({
      status: 'True',
      reason: 'NewMachineSetAvailable',
    });
  });

  it.each([
    { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }, most: 4, least: 3 },
    { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 }, most: 3, least: 2 },
    { rollingUpdate: { maxSurge: '50%', maxUnavailable: '40%' }, most: 5, least: 2 },
  ])('keeps to $rollingUpdate whatever happens in which order', async ({ rollingUpdate, most, least }) => {
    const strategy = { type: 'RollingUpdate', rollingUpdate };
    await world.applyDeployment({ replicas: 3, strategy });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 3, strategy, template: template(2) });
    const random = numbers(most * 10 + least);
    for (let step = 0, isDone = false; !isDone; step++) {
      if (step > 500) throw new Error('the rollout does not end');
      await oneThing(random);
      const machines = await world.machines();
      const running = machines.filter(
        ({ metadata, status }) => !metadata.deletionTimestamp && status?.phase === 'Running',
      );
      expect(machines.length).toBeLessThanOrEqual(most);
      expect(running.length).toBeGreaterThanOrEqual(least);
      isDone = running.length === 3 && running.every(({ spec }) => spec.providerSpec['vcpu'] === 2);
    }
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 2: 3 });
  });
});

describe('pause', () => {
  it('holds changes of the template back, and lets the deployment be scaled', async () => {
    await world.applyDeployment({ replicas: 2 });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 3, template: template(2), paused: true });
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 3 });
    expect(await condition('Progressing')).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' });
    await world.applyDeployment({ replicas: 3, template: template(2) });
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 2: 3 });
  });

  it('stops a rollout in the middle', async () => {
    await world.applyDeployment({ replicas: 3 });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 3, template: template(2) });
    await world.settle();
    await world.applyDeployment({ replicas: 3, template: template(2), paused: true });
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 3, 2: 1 });
  });
});

describe('scaling', () => {
  it('follows replicas', async () => {
    for (const replicas of [1, 5, 2, 0]) {
      await world.applyDeployment({ replicas });
      await world.settleWithMachines();
      expect(await world.names()).toHaveLength(replicas);
      expect((await world.deployment()).status).toMatchObject({ replicas, updatedReplicas: replicas });
    }
  });

  it('does not call a finished rollout late while it is scaled', async () => {
    await world.applyDeployment({ replicas: 1 });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 2 });
    await world.settle();
    await age('Progressing', 100_000);
    await world.settle();
    expect(await condition('Progressing')).toMatchObject({
      status: 'True',
      reason: 'NewMachineSetAvailable',
    });
    expect(await condition('Available')).toMatchObject({
      status: 'False',
      reason: 'MinimumMachinesUnavailable',
    });
  });

  it('gives a version on trial only its share of new machines', async () => {
    const strategy = { rollingUpdate: { maxSurge: 2, maxUnavailable: 0 } };
    await world.applyDeployment({ replicas: 6, strategy });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 6, strategy, template: template(2) });
    await world.settle();
    expect(await world.sizes()).toEqual({ 1: 6, 2: 2 });
    await world.applyDeployment({ replicas: 12, strategy, template: template(2) });
    await world.settle();
    expect(await world.sizes()).toEqual({ 1: 11, 2: 3 });
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 2: 12 });
  });
});

function foreignTemplate() {
  return { ...template(9), metadata: { labels: { app: 'x' } } };
}

async function newMachines(vcpu: number) {
  const sets = await world.store.list(MachineSetKind);
  const current = sets.find(({ spec }) => spec.template.spec.providerSpec['vcpu'] === vcpu);
  return (await world.machines()).filter((machine) => current && isControlledBy(machine, current));
}

/** One reconcile, or one machine that is claimed, becomes ready or goes: what may happen next in a cluster. */
async function oneThing(random: () => number): Promise<void> {
  const machines = await world.machines();
  const sets = await world.store.list(MachineSetKind);
  const things = [
    () => world.deployments.reconcile(key('workers')),
    ...sets.map(
      ({ metadata }) =>
        () =>
          world.sets.reconcile(key(metadata.name)),
    ),
    ...machines.map(({ metadata, status }) => async () => {
      if (metadata.deletionTimestamp) await world.remove(metadata.name);
      else if (!metadata.finalizers?.length) await world.holdMachines();
      else if (status?.phase !== 'Running') await world.makeReady(metadata.name);
    }),
  ];
  await things[Math.floor(random() * things.length)]?.();
}

/** Between 0 and 1, the same row for the same seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

describe('the condition Ready', () => {
  const ready = async () => {
    const { status, reason, message } = (await condition('Ready')) ?? {};
    return { status, reason, message };
  };

  it('is not True before all machines are of the current template, unlike Available', async () => {
    await world.applyDeployment({ replicas: 2 });
    await world.settle();
    expect(await ready()).toMatchObject({ status: 'False', reason: 'MachinesNotReady' });
    await world.settleWithMachines();
    expect(await ready()).toEqual({ status: 'True', reason: 'AsSpecified', message: '' });

    await world.applyDeployment({ replicas: 2, template: template(2) });
    await world.settle();
    expect(await condition('Available')).toMatchObject({ status: 'True' });
    expect(await ready()).toMatchObject({
      status: 'False',
      reason: 'MachineSetUpdated',
      message: expect.stringMatching(
        /^1 of 2 machines are of the current template, 3 exist; not available: /,
      ),
    });
    await world.settleWithMachines();
    expect(await ready()).toMatchObject({ status: 'True' });
  });

  it('says that a deployment is paused, or being deleted', async () => {
    await world.applyDeployment({ replicas: 1 }, { 'cluster-api.k8s.io/paused': '' });
    await world.settle();
    expect(await ready()).toMatchObject({ status: 'False', reason: 'Paused' });
    await world.applyDeployment({ replicas: 1 });
    await world.settleWithMachines();
    await world.holdMachines();
    await world.store.delete(MachineDeploymentKind, key('workers'));
    await world.settle();
    expect(await ready()).toMatchObject({ status: 'False', reason: 'Deleting' });
  });

  it('has what stopped the controller', async () => {
    await world.applyDeployment({ replicas: 1 });
    await world.settleWithMachines();
    const bad = { ...(await world.deployment()), spec: { replicas: -1 } } as never;
    await world.store.update(MachineDeploymentKind, bad, { fieldManager: 'person' });
    await expect(world.deployments.reconcile(key('workers'))).rejects.toThrow();
    expect(await ready()).toMatchObject({ status: 'False', reason: 'InvalidConfiguration' });
  });
});
