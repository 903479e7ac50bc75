/** Verifies how volumes are read from virsh. */

import { expect, test } from 'vitest';
import { parseVolumeList } from '../../src/libvirt/host-facts.ts';
import { parseVolume } from '../../src/libvirt/volume.ts';
import { fixture } from './fixture.ts';

test('an overlay is read with the image below it, which reveals a silently reused volume', () => {
  expect(parseVolume('p1', fixture('vol-dumpxml-overlay.xml'))).toEqual({
    pool: 'p1',
    name: 'over lay.qcow2',
    path: '/tmp/lvs/img/over lay.qcow2',
    capacityBytes: 209_715_200,
    allocationBytes: 200_704,
    format: 'qcow2',
    backingPath: '/tmp/lvs/img/base.qcow2',
  });
});

test('names with blanks keep them in a list of volumes', () => {
  const text = ' base.qcow2       /img/base.qcow2\n over lay.qcow2   /img/over lay.qcow2\n\n';
  expect(parseVolumeList('p1', text)).toEqual([
    { pool: 'p1', name: 'base.qcow2', path: '/img/base.qcow2' },
    { pool: 'p1', name: 'over lay.qcow2', path: '/img/over lay.qcow2' },
  ]);
});
