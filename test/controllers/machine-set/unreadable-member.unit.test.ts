/** Verifies that a machine whose file is broken is not replaced. */

import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { MachineKind } from '../../../src/api/kinds/machine.ts';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import { key, World } from '../world.ts';

let world: World;
const fileOf = (name: string, plural = 'machines') =>
  join(world.store.stateDir, 'objects', plural, 'default', `${name}.json`);
const files = async () =>
  (await world.store.list(MachineKind, { onUnreadable: () => {} })).map(({ metadata }) => metadata.name);

beforeEach(async () => {
  world = await World.open();
  await world.applySet({ replicas: 3 });
  await world.settle();
});

describe('one machine of a set whose file is broken', () => {
  let whole: Buffer;
  beforeEach(async () => {
    whole = await readFile(fileOf('workers-1'));
    await truncate(fileOf('workers-1'), 0);
  });

  it('is not replaced, the set says why, and goes on once the file is mended', async () => {
    await expect(world.sets.reconcile(key('workers'))).rejects.toMatchObject({ code: 'ObjectUnreadable' });
    expect(await files()).toEqual(['workers-0', 'workers-2']);
    const ready = (await world.set()).status?.conditions?.find(({ type }) => type === 'Ready');
    expect(ready).toMatchObject({
      status: 'False',
      reason: 'ObjectUnreadable',
      message: expect.stringContaining('machines/default/workers-1.json is empty'),
    });
    await writeFile(fileOf('workers-1'), whole);
    await world.settle();
    expect(await files()).toEqual(['workers-0', 'workers-1', 'workers-2']);
  });

  it('does not let the set go before it is gone itself', async () => {
    await world.store.delete(MachineSetKind, key('workers'));
    for (let turn = 0; turn < 3; turn++) await world.sets.reconcile(key('workers')).catch(() => {});
    expect((await world.set()).metadata.deletionTimestamp).toBeDefined();
  });

  it('stops no other set of which all machines are there', async () => {
    await world.applySet({ replicas: 0 }, 'others');
    await expect(world.sets.reconcile(key('others'))).resolves.toEqual({});
  });
});

it('a set whose file is broken is not made a second time by its deployment', async () => {
  const deployed = await World.open();
  await deployed.applyDeployment({ replicas: 1 });
  await deployed.settle();
  const [name = ''] = (await deployed.store.list(MachineSetKind)).map(({ metadata }) => metadata.name);
  const file = join(deployed.store.stateDir, 'objects', 'machinesets', 'default', `${name}.json`);
  await truncate(file, 0);
  await expect(deployed.deployments.reconcile(key('workers'))).rejects.toMatchObject({
    code: 'ObjectUnreadable',
  });
  expect(await deployed.store.list(MachineSetKind, { onUnreadable: () => {} })).toEqual([]);
});
