/** Verifies the MachineSets of a MachineDeployment: OnDelete, revisions, rollback and adoption. */

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MachineKind } from '../../../src/api/kinds/machine.ts';
import { MachineDeploymentKind } from '../../../src/api/kinds/machine-deployment.ts';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import { REVISION_ANNOTATION } from '../../../src/controllers/machine-deployment/revision.ts';
import { ROLLBACK_ANNOTATION } from '../../../src/controllers/machine-deployment/rollback.ts';
import { key, template, World } from '../world.ts';

vi.setConfig({ testTimeout: 30_000 });

let world: World;

beforeEach(async () => {
  world = await World.open();
});

const condition = async (type: string) =>
  (await world.deployment()).status?.conditions?.find((one) => one.type === type);

const revisions = async () => {
  const sets = await world.store.list(MachineSetKind);
  return sets.map(({ metadata }) => metadata.annotations?.[REVISION_ANNOTATION]).sort();
};

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

  it('never replaces an old machine, even if the set is quicker than the deployment', async () => {
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

  it.each([
    { title: 'never had a machine', between: () => world.deployments.reconcile(key('workers')) },
    { title: 'had machines that never became available', between: () => world.settle() },
  ])('keeps the one that ran rather than a later one that $title', async ({ between }) => {
    const apply = (vcpu: number) =>
      world.applyDeployment({ replicas: 1, revisionHistoryLimit: 1, template: template(vcpu) });
    await apply(1);
    await world.settleWithMachines();
    await apply(2);
    await between();
    await apply(3);
    await world.settleWithMachines();
    expect(await world.sizes()).toEqual({ 1: 0, 3: 1 });
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

  it('creates a deleted set again, without more machines than allowed', async () => {
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
