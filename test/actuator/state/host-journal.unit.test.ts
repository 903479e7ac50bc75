/** Verifies that a damaged journal of a host never causes objects to be removed or taken over. */

import { expect, it } from 'vitest';
import { readApplied } from '../../../src/actuator/host/host-parts.ts';
import { readPendingCreates } from '../../../src/actuator/state/host-journal.ts';

const NETWORK = { type: 'libvirt_network', name: 'network_site', object: 'site' };
const IMAGE = { type: 'libvirt_volume', name: 'image', object: 'guest.qcow2', pool: 'default' };

it('the note of a broken run names what that was about to make', () => {
  expect(readPendingCreates(JSON.stringify([NETWORK, IMAGE]))).toEqual([NETWORK, IMAGE]);
  expect(readPendingCreates(undefined)).toEqual([]);
});

it.each([
  ['is not JSON', '[{'],
  ['is no list', JSON.stringify(NETWORK)],
  ['holds what is no object', JSON.stringify([NETWORK, null])],
  ['lacks a name', JSON.stringify([{ type: 'libvirt_network', name: 'network_site' }])],
  ['has a name that is no text', JSON.stringify([{ ...NETWORK, object: { length: 1 } }])],
  ['names what a host does not share', JSON.stringify([{ ...NETWORK, type: 'libvirt_domain' }])],
  ['has fields of another kind', JSON.stringify([{ ...NETWORK, id: 'b1f0' }])],
  ['has more than a host can have', JSON.stringify(Array.from({ length: 10_001 }, () => NETWORK))],
])('one that %s proves nothing: nothing is removed or taken over because of it', (_, note) => {
  expect(readPendingCreates(note)).toEqual([]);
});

it.each(['', '[', '[]', '"a"', 'null', '{"libvirt_network.site":1}', '{"a":{"b":"c"}}'])(
  'after the note %s of what was applied all is applied again',
  (note) => {
    expect(readApplied(note)).toEqual({});
  },
);

it('the note of what was applied has a hash for each part', () => {
  expect(readApplied('{"libvirt_network.site":"abc"}')).toEqual({ 'libvirt_network.site': 'abc' });
});
