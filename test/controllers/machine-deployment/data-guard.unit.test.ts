/** Verifies that a rolling update deletes no data disk without approval. */

import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Pinned } from '../../../src/api/kinds/machine.ts';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import { PAUSED_ANNOTATION } from '../../../src/api/schema/paused.ts';
import { APPROVE_DISKS_ANNOTATION, unapprovedDisks } from '../../../src/controllers/shared/named-disks.ts';
import { template, World } from '../world.ts';

vi.setConfig({ testTimeout: 30_000 });

const PINNED: Pinned = {
  uri: 'qemu:///system',
  domainType: 'qemu',
  imageURI: '/images/small.qcow2',
  base: { pool: 'default', volume: 'small' },
};

let world: World;

beforeEach(async () => {
  world = await World.open();
});

function templateWith(vcpu: number, disks: readonly object[]) {
  const { metadata, spec } = template(vcpu);
  return { metadata, spec: { providerSpec: { ...spec.providerSpec, disks } } };
}

const DATA = [{ name: 'data', sizeGB: 1 }];

/** A deployment of two machines that were made, and then a change of its template. */
async function roll(
  disks: readonly object[],
  { annotations = {}, spec = {} }: { annotations?: Record<string, string>; spec?: object } = {},
): Promise<unknown> {
  await world.applyDeployment({ replicas: 2, template: templateWith(1, disks), ...spec });
  await world.settleWithMachines();
  for (const name of await world.names())
    await world.patchStatus(name, { providerStatus: { pinned: PINNED } });
  await world.applyDeployment({ replicas: 2, template: templateWith(2, disks), ...spec }, annotations);
  return world.settleWithMachines().then(
    () => 'rolled',
    (error: unknown) => error,
  );
}

describe('a rolling update of machines with data disks', () => {
  it('waits before it makes or deletes anything, and says which disks have to be named', async () => {
    expect(await roll([...DATA, { name: 'logs', sizeGB: 1 }])).toMatchObject({
      code: 'ReplaceRefused',
      message: 'the rollout would delete 2 machines, and what is on their disks data, logs is lost',
      fix: expect.stringContaining(`${APPROVE_DISKS_ANNOTATION}=data,logs`),
    });
    expect(await world.sizes()).toEqual({ 1: 2 });
    expect((await world.deployment()).status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'ReplicaFailure', status: 'True', reason: 'ReplaceRefused' }),
    );
  });

  it('goes on when they are named', async () => {
    expect(await roll(DATA, { annotations: { [APPROVE_DISKS_ANNOTATION]: 'data' } })).toBe('rolled');
    expect(await world.sizes()).toEqual({ 1: 0, 2: 2 });
  });

  it('is no matter of consent for machines that have a root disk only', async () => {
    expect(await roll([])).toBe('rolled');
  });

  it('is none for a machine that only borrows its disk', async () => {
    const borrowed = [{ name: 'data', volume: 'default/shared.qcow2' }];
    const { spec } = templateWith(1, borrowed);
    await world.applyMachine('pet', { app: 'pets' });
    await world.patchStatus('pet', { providerStatus: { pinned: PINNED } });
    const [pet] = await world.machines();
    if (!pet) throw new Error('it is gone');
    expect(unapprovedDisks([{ ...pet, spec }], [])).toEqual([]);
    expect(unapprovedDisks([{ ...pet, spec: templateWith(1, DATA).spec }], [])).toEqual(['data']);
  });

  it('is none where a person deletes the machines, or has paused the deployment', async () => {
    expect(await roll(DATA, { spec: { strategy: { type: 'OnDelete' } } })).toBe('rolled');
    expect(await world.sizes()).toEqual({ 1: 2, 2: 0 });
    world = await World.open();
    expect(await roll(DATA, { annotations: { [PAUSED_ANNOTATION]: '' } })).toBe('rolled');
    expect(await world.store.list(MachineSetKind)).toHaveLength(1);
  });
});
