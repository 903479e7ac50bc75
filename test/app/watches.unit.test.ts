/** Verifies that watches alone drive a rollout over a local store. */

import { expect, it, onTestFinished } from 'vitest';
import { MachineDeploymentKind } from '../../src/api/kinds/machine-deployment.ts';
import { RunningControllers } from '../controllers/running-controllers.ts';
import { key, template, World } from '../controllers/world.ts';

it('runs a rollout over a directory without anybody calling a reconcile', { timeout: 60_000 }, async () => {
  const world = await World.open();
  const running = new RunningControllers(world.store);
  onTestFinished(() => running.stop());
  await world.applyDeployment({ replicas: 2 });
  await running.untilDone(2);
  await world.applyDeployment({ replicas: 3, template: template(2) });
  await running.untilDone(3);
  expect(running.vcpus()).toEqual([2, 2, 2]);
  expect(running.most).toBeLessThanOrEqual(4);

  await world.store.delete(MachineDeploymentKind, key('workers'));
  await expect.poll(() => running.deployments.list(), { timeout: 60_000 }).toEqual([]);
  expect(await world.machines()).toEqual([]);
});
