/** Verifies that a disk that was enlarged outside of Terraform keeps its size. */

import { expect, it } from 'vitest';
import { atActualSize } from '../../../src/actuator/machine/disk-sizes.ts';
import type { MachineIntent } from '../../../src/intent/hosted-intent.ts';
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
