/** Verifies that an image is kept while a disk in any pool has it as its backing file. */

import { expect, test } from 'vitest';
import { overlayOf } from '../../../src/actuator/host/overlays.ts';
import type { Volume } from '../../../src/libvirt/volume.ts';

function volume(pool: string, name: string, backingPath?: string): Volume {
  const path = `/${pool}/${name}`;
  return { pool, name, path, capacityBytes: 0, allocationBytes: 0, format: 'qcow2', backingPath };
}

const base = volume('images', 'debian');

test.each([
  ['a disk of another pool stands on it', [base, volume('disks', 'root', '/images/debian')], 'root'],
  ['disks stand on other files', [base, volume('disks', 'root', '/images/debian-2')], undefined],
  ['no disk is there', [base], undefined],
  ['it is not there itself', [volume('disks', 'root', '/images/debian')], undefined],
])('an image is needed by what stands on it: %s', (_, volumes, expected) => {
  expect(overlayOf([base], volumes, volumes)?.name).toBe(expected);
});
