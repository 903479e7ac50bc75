/** Verifies how the host devices that virsh lists are read. */

import { expect, it } from 'vitest';
import { parseDevices } from '../../src/libvirt/host-devices.ts';

const INTERFACES = ` Name      State      MAC Address
----------------------------------------
 lo        active     00:00:00:00:00:00
 br-lan.7  active     52:54:00:d6:91:9a
`;
const DEVICES = 'net_bond0_1_52_54_00_d6_91_9b\nnet_lo_00_00_00_00_00_00\n\n';

it('knows devices by either driver of libvirt: one of them does not see all', () => {
  const has = parseDevices(INTERFACES, DEVICES);
  // The second driver writes `_` for the point.
  expect(['lo', 'br-lan.7', 'bond0.1'].filter(has)).toEqual(['lo', 'br-lan.7', 'bond0.1']);
  expect(['br-lan', 'bond0', 'Name', '', 'net'].filter(has)).toEqual([]);
});

it('a list of a quiet virsh, which has no head, loses none of its first rows', () => {
  const has = parseDevices(
    ' lo       active   00:00:00:00:00:00\n virbr0   active   52:54:00:aa:00:01\n',
    '',
  );
  expect([has('lo'), has('virbr0'), has('Name')]).toEqual([true, true, false]);
});
