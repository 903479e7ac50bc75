/** Verifies which size a disk that is there has in a stack, and which disks are to grow. */

import { expect, it } from 'vitest';
import { atActualSize, diskGrowth } from '../../../src/actuator/machine/disk-sizes.ts';
import type { MachineIntent } from '../../../src/intent/hosted-intent.ts';
import type { State } from '../../../src/terraform/format/state.ts';
import { minimalMachine } from '../../stacks/intents.ts';

const GB = 1024 ** 3;
const disk = { kind: 'new', name: 'data', volume: 'small-data', pool: 'slow', format: 'qcow2' } as const;
const intent: MachineIntent = {
  ...minimalMachine,
  rootDisk: { ...minimalMachine.rootDisk, sizeBytes: 2 * GB },
  disks: [{ ...disk, sizeBytes: GB }],
};

const volume = (pool: string, name: string, capacityBytes: number) => ({
  pool,
  name,
  path: `/${pool}/${name}`,
  capacityBytes,
  allocationBytes: 0,
  format: 'qcow2',
});

it('a disk that was enlarged by hand keeps its size, so that no plan replaces it', () => {
  const volumes = [volume('slow', 'small-data', 3 * GB), volume('default', 'default.small.root', 4 * GB)];
  const sized = atActualSize(intent, volumes);
  expect(sized.rootDisk.sizeBytes).toBe(4 * GB);
  expect(sized.disks).toEqual([{ ...disk, sizeBytes: 3 * GB }]);
});

it.each([
  ['is smaller', [volume('slow', 'small-data', GB / 2)]],
  ['is as it was asked for', [volume('slow', 'small-data', GB)]],
  ['is of that name in another pool', [volume('default', 'small-data', 3 * GB)]],
  ['is not there', []],
])('the intent stays the very same where a disk %s', (_, volumes) => {
  expect(atActualSize(intent, volumes)).toBe(intent);
});

it('a root disk that is to be as large as its image has no size to compare', () => {
  const root = volume('default', 'default.small.root', 4 * GB);
  expect(atActualSize(minimalMachine, [root])).toBe(minimalMachine);
});

const small = [volume('slow', 'small-data', GB / 2), volume('default', 'default.small.root', GB)];
const root = minimalMachine.rootDisk.volume;
const stateOf =
  (...resources: readonly [string, string, string][]) =>
  async () =>
    ({
      resources: resources.map(([address, pool, name]) => ({
        address,
        type: address.split('.')[0],
        attributes: { pool, name },
      })),
    }) as unknown as State;

it('a disk that is smaller than asked for is to grow, and has its present size in the stack until then', async () => {
  const volumes = [volume('slow', 'small-data', GB / 2), volume('default', root, GB)];
  const known = stateOf(
    ['libvirt_volume.disk_data', 'slow', 'small-data'],
    ['libvirt_volume.root', 'default', root],
  );
  const growth = await diskGrowth(intent, volumes, known);
  expect(growth).toEqual([
    { address: 'libvirt_volume.root', name: 'root', volume: volumes[1], toBytes: 2 * GB },
    { address: 'libvirt_volume.disk_data', name: 'data', volume: volumes[0], toBytes: GB },
  ]);
  const sized = atActualSize(intent, volumes, growth);
  expect([sized.rootDisk.sizeBytes, sized.disks]).toEqual([GB, [{ ...disk, sizeBytes: GB / 2 }]]);
});

it.each([
  [
    'of a name that the state has in another pool',
    ['libvirt_volume.disk_data', 'default', 'small-data'] as const,
  ],
  ['of a resource that is no volume', ['libvirt_ignition.seed', 'slow', 'small-data'] as const],
])('a smaller volume %s is a leftover: it does not grow, and decides nothing', async (_, resource) => {
  const growth = await diskGrowth(intent, small, stateOf([...resource]));
  expect(growth).toEqual([]);
  expect(atActualSize(intent, small, growth)).toBe(intent);
});

it('no state is read where no disk is smaller than asked for', async () => {
  const volumes = [volume('slow', 'small-data', GB)];
  const read = () => Promise.reject(new Error('it was read'));
  expect(await diskGrowth(intent, volumes, read)).toEqual([]);
});
