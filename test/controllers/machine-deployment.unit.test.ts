import { beforeEach, describe, expect, it } from 'vitest';
import { MachineKind } from '../../src/api/machine.ts';
import { MachineDeploymentKind, type MachineDeploymentStatus } from '../../src/api/machine-deployment.ts';
import { MachineSetKind } from '../../src/api/machine-set.ts';
import {
  REVISION_ANNOTATION,
  ROLLBACK_ANNOTATION,
  TEMPLATE_HASH_LABEL,
} from '../../src/controllers/revision.ts';
import { isControlledBy } from '../../src/kube/owner.ts';
import { dyingStore, ProcessDied } from './dying-store.ts';
import { key, template, untilNoConflict, World } from './world.ts';

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
  it('makes one set with a template of its own label, and the set makes the machines', async () => {
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

  it('takes no set away that has the name of its own', async () => {
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

  it('starts anew when the template changes again in the middle', async () => {
    await world.applyDeployment({ replicas: 3 });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 3, template: template(2) });
    await world.settle();
    await world.applyDeployment({ replicas: 3, template: template(3) });
    await world.settle();
    // The half-made second version goes first: nobody would miss it.
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

  it('looks at a rollout again when its deadline is due', async () => {
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

  it('keeps to its limits whatever happens in which order', async () => {
    const limits = [
      { maxSurge: 1, maxUnavailable: 0 },
      { maxSurge: 0, maxUnavailable: 1 },
      { maxSurge: '50%', maxUnavailable: '25%' },
    ];
    for (const [seed, rollingUpdate] of limits.entries()) {
      const fresh = await World.open();
      const strategy = { type: 'RollingUpdate', rollingUpdate };
      await fresh.applyDeployment({ replicas: 4, strategy });
      await fresh.settleWithMachines();
      await fresh.applyDeployment({ replicas: 4, strategy, template: template(2) });
      const most = { 0: 5, 1: 4, 2: 6 }[seed] ?? 0;
      const least = { 0: 4, 1: 3, 2: 3 }[seed] ?? 0;
      const random = numbers(seed + 1);
      for (let step = 0; (await fresh.sizes())[2] !== 4 || (await fresh.names()).length !== 4; step++) {
        if (step > 500) throw new Error('the rollout does not end');
        await oneThing(fresh, random);
        const machines = await fresh.machines();
        const available = machines.filter(
          ({ metadata, status }) => !metadata.deletionTimestamp && status?.phase === 'Running',
        );
        expect(machines.length).toBeLessThanOrEqual(most);
        expect(available.length).toBeGreaterThanOrEqual(least);
      }
    }
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
    expect(await world.sizes()).toEqual({ 1: 10, 2: 4 });
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 2: 12 });
  });
});

describe('OnDelete', () => {
  const strategy = { type: 'OnDelete' };

  beforeEach(async () => {
    await world.applyDeployment({ replicas: 3, strategy });
    await world.settleWithMachines();
    await world.holdMachines();
    await world.applyDeployment({ replicas: 3, strategy, template: template(2) });
    await world.settleWithMachines();
  });

  it('replaces a machine when someone deletes it, and not before', async () => {
    expect(await world.sizes()).toEqual({ 1: 3, 2: 0 });
    const [first = ''] = await world.names();
    await world.store.delete(MachineKind, key(first));
    await world.settle();
    expect(await world.sizes()).toEqual({ 1: 2, 2: 0 });
    await world.remove(first);
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 2, 2: 1 });
  });

  it('never makes an old machine anew, even if the set is quicker than the deployment', async () => {
    const [first = ''] = await world.names();
    await world.store.delete(MachineKind, key(first));
    await world.remove(first);
    for (const { metadata } of await world.store.list(MachineSetKind)) {
      await world.sets.reconcile(key(metadata.name));
    }
    expect(await world.names()).toHaveLength(2);
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 2, 2: 1 });
  });

  it('shrinks the old set first', async () => {
    const [first = ''] = await world.names();
    await world.store.delete(MachineKind, key(first));
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 2, strategy, template: template(2) });
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 1, 2: 1 });
  });

  it('becomes a rolling update when the strategy changes', async () => {
    await world.applyDeployment({ replicas: 3, template: template(2) });
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 2: 3 });
  });
});

describe('revisions', () => {
  const roll = async (...vcpus: number[]) => {
    for (const vcpu of vcpus) {
      await world.applyDeployment({ replicas: 1, revisionHistoryLimit: 2, template: template(vcpu) });
      await world.settleWithMachines();
    }
  };
  const rollBackTo = async (revision: string) => {
    const deployment = await world.deployment();
    const annotations = { ...deployment.metadata.annotations, [ROLLBACK_ANNOTATION]: revision };
    const asked = { ...deployment, metadata: { ...deployment.metadata, annotations } };
    await world.store.update(MachineDeploymentKind, asked, { fieldManager: 'person' });
    await world.settleWithMachines();
  };

  it('keeps as many old ones as the limit says', async () => {
    await roll(1, 2, 3, 4);
    expect(await revisions()).toEqual(['2', '3', '4']);
    expect(await world.sizes()).toEqual({ 2: 0, 3: 0, 4: 1 });
  });

  it('goes back to the one before, which becomes the newest', async () => {
    await roll(1, 2);
    await rollBackTo('0');
    expect(await world.sizes()).toEqual({ 1: 1, 2: 0 });
    const { metadata, spec } = await world.deployment();
    expect(spec.template).toEqual(template(1));
    expect(metadata.annotations).toMatchObject({ [REVISION_ANNOTATION]: '3' });
    expect(metadata.annotations).not.toHaveProperty(ROLLBACK_ANNOTATION);
    expect(await revisions()).toEqual(['2', '3']);
  });

  it('goes back to the one that is named', async () => {
    await roll(1, 2, 3);
    await rollBackTo('1');
    expect(await world.sizes()).toEqual({ 1: 1, 2: 0, 3: 0 });
  });

  it('says so when the one that is named is gone', async () => {
    await roll(1, 2);
    await rollBackTo('7');
    expect(await world.sizes()).toEqual({ 1: 0, 2: 1 });
    expect(world.events.filter((event) => event.includes('RevisionNotFound'))).toHaveLength(1);
    expect((await world.deployment()).metadata.annotations).not.toHaveProperty(ROLLBACK_ANNOTATION);
  });

  it('uses the old set again when the manifest goes back to its template', async () => {
    await roll(1, 2, 1);
    expect(await world.sizes()).toEqual({ 1: 1, 2: 0 });
    expect(await revisions()).toEqual(['2', '3']);
  });

  it('does not roll when only the order of fields changed', async () => {
    await roll(1);
    const { metadata, spec } = template(1);
    const reordered = {
      spec: { providerSpec: Object.fromEntries(Object.entries(spec.providerSpec).reverse()) },
      metadata,
    };
    await world.applyDeployment({ replicas: 1, template: reordered });
    await world.settleWithMachines();
    expect(await revisions()).toEqual(['1']);
  });
});

describe('its sets', () => {
  it('adopts a set that it selects, and rolls its machines over', async () => {
    await world.applySet({ replicas: 2 }, 'by-hand', { labels: { app: 'workers' } });
    await world.settleWithMachines();
    await world.applyDeployment({ replicas: 2, template: template(2) });
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 2: 2 });
  });

  it('makes a set anew that someone deleted, without more machines than allowed', async () => {
    await world.applyDeployment({ replicas: 2 });
    await world.settleWithMachines();
    await world.holdMachines();
    const [set] = await world.store.list(MachineSetKind);
    await world.store.delete(MachineSetKind, key(set?.metadata.name ?? ''));
    await world.settle();
    expect((await world.names()).length).toBeLessThanOrEqual(3);
    await world.settleWithMachines();
    const [anew, ...others] = await world.store.list(MachineSetKind);
    expect(others).toEqual([]);
    expect(anew?.metadata.uid).not.toBe(set?.metadata.uid);
    expect(await world.names()).toHaveLength(2);
  });

  it('tells of a set that cannot work', async () => {
    await world.applyDeployment({ replicas: 1 });
    await world.settle();
    const [set] = await world.store.list(MachineSetKind);
    const status = { replicas: 0, errorReason: 'InvalidConfiguration', errorMessage: 'vcpu is refused' };
    await world.store.applyStatus(MachineSetKind, key(set?.metadata.name ?? ''), status, {
      fieldManager: 'caplv-machine-set',
    });
    await world.deployments.reconcile(key('workers'));
    expect(await condition('ReplicaFailure')).toMatchObject({
      status: 'True',
      reason: 'InvalidConfiguration',
    });
    await world.settleWithMachines();
    expect(await condition('ReplicaFailure')).toBeUndefined();
  });

  it('takes them, and their machines, with it when it is deleted', async () => {
    await world.applyDeployment({ replicas: 2 });
    await world.settleWithMachines();
    await world.holdMachines();
    await world.store.delete(MachineDeploymentKind, key('workers'));
    await world.settle();
    expect(await world.leaving()).toHaveLength(2);
    expect(await world.store.list(MachineDeploymentKind)).toHaveLength(1);
    await world.settleWithMachines();
    expect(await world.machines()).toEqual([]);
    expect(await world.store.list(MachineSetKind)).toEqual([]);
    expect(await world.store.list(MachineDeploymentKind)).toEqual([]);
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
async function oneThing(fresh: World, random: () => number): Promise<void> {
  const machines = await fresh.machines();
  const sets = await fresh.store.list(MachineSetKind);
  const things = [
    () => fresh.deployments.reconcile(key('workers')),
    ...sets.map(
      ({ metadata }) =>
        () =>
          fresh.sets.reconcile(key(metadata.name)),
    ),
    ...machines.map(({ metadata, status }) => async () => {
      if (metadata.deletionTimestamp) await fresh.remove(metadata.name);
      else if (!metadata.finalizers?.length) await fresh.holdMachines();
      else if (status?.phase !== 'Running') await fresh.makeReady(metadata.name);
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
