/** Verifies that `caplv plan` names the machines that the controllers then create and delete. */

import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/api/kinds/machine.ts';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { MachineDeploymentKind } from '../../src/api/kinds/machine-deployment.ts';
import { MachineSetKind } from '../../src/api/kinds/machine-set.ts';
import { API_VERSION } from '../../src/api/schema/group.ts';
import type { KubeObject } from '../../src/apimachinery/object.ts';
import { planReplicas, type ReplicaPlan } from '../../src/app/replica-plan.ts';
import { OverlayStore } from '../../src/store/overlay-store.ts';
import { key, template, World } from '../controllers/world.ts';

const LABELS = { app: 'workers' };

function workers(kind: 'MachineSet' | 'MachineDeployment', spec: object = {}): KubeObject {
  const whole = { selector: { matchLabels: LABELS }, template: template(), ...spec };
  return { apiVersion: API_VERSION, kind, metadata: { ...key('workers') }, spec: whole };
}

/** Plans a manifest as `caplv plan` does, and compares with what the controllers then make of it. */
async function planned(world: World, manifest: KubeObject): Promise<ReplicaPlan> {
  const kind = manifest.kind === 'MachineSet' ? MachineSetKind : MachineDeploymentKind;
  const stored = await world.store.get<KubeObject>(kind, key('workers'));
  const namesBefore = await world.names();
  const object = await world.store.preview<KubeObject>(kind, manifest, { fieldManager: 'caplv' });
  const plan = await planReplicas(new OverlayStore(world.store, [object]), stored, object);
  expect(await world.names(), 'a plan stores nothing').toEqual(namesBefore);

  await world.store.apply<KubeObject>(kind, manifest, { fieldManager: 'caplv' });
  await world.settleWithMachines();
  const lost = plan.machines.filter(({ action }) => action === 'replace' || action === 'delete');
  const made = plan.machines.flatMap(({ action, name, successor }) =>
    action === 'create' ? name : (successor ?? []),
  );
  const left = namesBefore.filter((name) => !lost.some((one) => one.name === name));
  expect((await world.names()).sort()).toEqual([...left, ...made].sort());
  return plan;
}

async function running(world: World, manifest: KubeObject): Promise<void> {
  const kind = manifest.kind === 'MachineSet' ? MachineSetKind : MachineDeploymentKind;
  await world.store.apply<KubeObject>(kind, manifest, { fieldManager: 'caplv' });
  await world.settleWithMachines();
}

const actions = ({ machines }: ReplicaPlan) => machines.map(({ action }) => action);

describe('the plan of a MachineSet', () => {
  it('names each machine of a new one, and gives one of them to be planned for all', async () => {
    const plan = await planned(await World.open(), workers('MachineSet', { replicas: 3 }));
    expect(plan).toMatchObject({
      kind: 'MachineSet',
      action: 'create',
      machines: [0, 1, 2].map((number) => ({ action: 'create', name: `workers-${number}` })),
    });
    expect(plan.samples.map((one: Machine) => one.metadata.name)).toEqual(['workers-0']);
  });

  it('is empty for a set that has its machines', async () => {
    const world = await World.open();
    await running(world, workers('MachineSet', { replicas: 2 }));
    const plan = await planned(world, workers('MachineSet', { replicas: 2 }));
    expect(plan).toMatchObject({ action: 'none', fields: [], machines: [], notes: [], samples: [] });
  });

  it('names those that the delete policy takes when it shrinks', async () => {
    const world = await World.open();
    await running(world, workers('MachineSet', { replicas: 3 }));
    await world.makeFailed('workers-1');
    const plan = await planned(world, workers('MachineSet', { replicas: 2 }));
    expect(plan).toMatchObject({
      action: 'update',
      fields: ['spec.replicas'],
      machines: [{ action: 'delete', name: 'workers-1' }],
    });
  });

  it('says that machines keep the template they were made from', async () => {
    const world = await World.open();
    await running(world, workers('MachineSet', { replicas: 1 }));
    const plan = await planned(world, workers('MachineSet', { replicas: 1, template: template(2) }));
    expect(plan).toMatchObject({
      action: 'update',
      fields: ['spec.template.spec.providerSpec.vcpu'],
      machines: [],
      notes: ['machines that keep an earlier template: workers-0'],
    });
  });

  it('says which machine without an owner joins it', async () => {
    const world = await World.open();
    await world.applyMachine('stray', LABELS);
    const plan = await planned(world, workers('MachineSet', { replicas: 1 }));
    expect(plan.machines).toEqual([{ action: 'adopt', name: 'stray' }]);
  });

  it('keeps the size that a scale command set where the manifest gives none', async () => {
    const world = await World.open();
    await running(world, workers('MachineSet'));
    const set = await world.set();
    const scaled = { metadata: key('workers'), spec: { replicas: 4 } } as unknown as typeof set;
    await world.store.apply(MachineSetKind, scaled, { fieldManager: 'autoscaler' });
    await world.settleWithMachines();
    expect((await planned(world, workers('MachineSet'))).machines).toEqual([]);
  });

  it('says that a set is frozen that has many more machines than it was asked for', async () => {
    const world = await World.open();
    await running(world, workers('MachineSet', { replicas: 1 }));
    for (const name of ['a', 'b', 'c']) await world.applyMachine(name, LABELS);
    const plan = await planned(world, workers('MachineSet', { replicas: 1 }));
    expect(actions(plan)).toEqual(['adopt', 'adopt', 'adopt']);
    expect(plan.notes.join()).toContain('4 machines exist, and 1 were asked for');
  });

  it('of one that is paused changes nothing, and says so', async () => {
    const world = await World.open();
    const annotations = { 'cluster-api.k8s.io/paused': 'true' };
    const paused = workers('MachineSet', { replicas: 2 });
    const plan = await planned(world, { ...paused, metadata: { ...paused.metadata, annotations } });
    expect(plan).toMatchObject({ machines: [], notes: [expect.stringContaining('stops all work on it')] });
  });
});

describe('the plan of a MachineDeployment', () => {
  it('names each machine of a new one', async () => {
    const plan = await planned(await World.open(), workers('MachineDeployment', { replicas: 2 }));
    expect(plan.action).toBe('create');
    expect(actions(plan)).toEqual(['create', 'create']);
    expect(plan.samples).toHaveLength(1);
  });

  it.each([
    { title: 'one after the other', strategy: {} },
    { title: 'all at once', strategy: { rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } } },
    { title: 'deleting first', strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } },
  ])('names each old machine and its successor in a rollout $title', async ({ strategy }) => {
    const world = await World.open();
    await running(world, workers('MachineDeployment', { replicas: 3, strategy }));
    const changed = workers('MachineDeployment', { replicas: 3, strategy, template: template(2) });
    const plan = await planned(world, changed);
    expect(plan.fields).toEqual(['spec.template.spec.providerSpec.vcpu']);
    expect(actions(plan)).toEqual(['replace', 'replace', 'replace']);
    expect(new Set(plan.machines.map(({ successor }) => successor)).size).toBe(3);
  });

  it('says which machines strategy OnDelete leaves as they are', async () => {
    const world = await World.open();
    const strategy = { type: 'OnDelete' };
    await running(world, workers('MachineDeployment', { replicas: 2, strategy }));
    const [one, other] = await world.names();
    const plan = await planned(
      world,
      workers('MachineDeployment', { replicas: 2, strategy, template: template(2) }),
    );
    expect(plan).toMatchObject({
      machines: [],
      notes: [`machines that keep an earlier template: ${one}, ${other}`],
    });
  });

  it('with a change and more replicas at once replaces the old and makes the rest', async () => {
    const world = await World.open();
    await running(world, workers('MachineDeployment', { replicas: 1 }));
    const plan = await planned(world, workers('MachineDeployment', { replicas: 3, template: template(2) }));
    expect(actions(plan)).toEqual(['replace', 'create', 'create']);
  });

  it('is the same over machines that are not ready yet', async () => {
    const world = await World.open();
    await world.store.apply<KubeObject>(MachineDeploymentKind, workers('MachineDeployment'), {
      fieldManager: 'caplv',
    });
    await world.settle();
    expect((await world.store.list(MachineKind)).map(({ status }) => status)).toEqual([undefined]);
    const plan = await planned(world, workers('MachineDeployment', { template: template(2) }));
    expect(actions(plan)).toEqual(['replace']);
  });

  it('refuses what its controller would refuse', async () => {
    const world = await World.open();
    const bad = workers('MachineDeployment', { selector: { matchLabels: { app: 'others' } } });
    await expect(planReplicas(new OverlayStore(world.store, [bad]), undefined, bad)).rejects.toMatchObject({
      code: 'InvalidConfiguration',
    });
  });
});
