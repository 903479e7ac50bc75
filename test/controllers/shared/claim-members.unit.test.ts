/** Verifies which sets an event of a machine reconciles. */

import { expect, it } from 'vitest';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import { affectedOwners } from '../../../src/controllers/shared/claim-members.ts';
import { key, World } from '../world.ts';

it('wakes the owner of a machine, and for one without owner every set that may adopt it', async () => {
  const world = await World.open();
  const sets = [
    await world.applySet({}, 'first'),
    await world.applySet({}, 'second'),
    await world.applySet({ selector: { matchLabels: { app: 'x' } }, template: unlike() }, 'other'),
  ];
  const orphan = await world.applyMachine('by-hand', { app: 'workers' });
  expect(affectedOwners(MachineSetKind, orphan, sets)).toEqual([key('first'), key('second')]);

  await world.sets.reconcile(key('first'));
  const [adopted] = await world.machines();
  if (!adopted) throw new Error('no machine');
  expect(affectedOwners(MachineSetKind, adopted, sets)).toEqual([key('first')]);

  const owner = { apiVersion: 'v1', kind: 'ReplicaSet', name: 'first', uid: '1', controller: true };
  const foreign = { ...adopted, metadata: { ...adopted.metadata, ownerReferences: [owner] } };
  expect(affectedOwners(MachineSetKind, foreign, sets)).toEqual([]);
});

function unlike() {
  return {
    metadata: { labels: { app: 'x' } },
    spec: { providerSpec: { vcpu: 1, memoryMiB: 64, imageURI: '/images/a' } },
  };
}
