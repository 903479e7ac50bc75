/** Verifies that no disk of a machine is made smaller. */

import { expect, it } from 'vitest';
import { diskSizes, refuseShrink } from '../../../../src/controllers/machine/disks/sizes.ts';

const spec = (root: number | undefined, ...disks: readonly { name: string; sizeGB?: number }[]) =>
  ({ rootDisk: root === undefined ? undefined : { sizeGB: root }, disks }) as Parameters<typeof diskSizes>[0];

const MADE = diskSizes(
  spec(20, { name: 'data', sizeGB: 10 }, { name: 'root', sizeGB: 5 }, { name: 'shared' }),
);

it('the sizes of a machine are those of its own disks', () => {
  expect(MADE).toEqual([
    { name: 'root', sizeGB: 20 },
    { name: 'data', sizeGB: 10 },
    { name: 'disk-root', sizeGB: 5 },
  ]);
});

it.each([
  ['the root disk', spec(19), 'rootDisk.sizeGB', 'the disk root has 20 GB'],
  [
    'a data disk',
    spec(20, { name: 'a', sizeGB: 1 }, { name: 'data', sizeGB: 9 }),
    'disks[1].sizeGB',
    'the disk data has 10 GB',
  ],
  [
    'a data disk that is called root',
    spec(20, { name: 'root', sizeGB: 4 }),
    'disks[0].sizeGB',
    'the disk disk-root has 5 GB',
  ],
])('%s that is to be smaller is refused by its field', (_, smaller, field, message) => {
  expect(() => refuseShrink(smaller, MADE, 'spec.providerSpec')).toThrow(
    expect.objectContaining({
      code: 'InvalidConfiguration',
      path: `spec.providerSpec.${field}`,
      message: expect.stringContaining(message),
    }),
  );
});

it.each([
  ['as it was', spec(20, { name: 'data', sizeGB: 10 }), MADE],
  ['larger', spec(21, { name: 'data', sizeGB: 11 }), MADE],
  ['without sizes', spec(undefined), MADE],
  ['of a version that did not record them', spec(1), undefined],
])('a specification %s is not refused', (_, asked, applied) => {
  expect(() => refuseShrink(asked, applied, 'spec.providerSpec')).not.toThrow();
});
