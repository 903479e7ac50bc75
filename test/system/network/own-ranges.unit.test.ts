/** Verifies which ranges of addresses count as those of this machine. */

import { expect, it } from 'vitest';
import { ownRanges, parseRoutes } from '../../../src/system/network/own-ranges.ts';

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';

it.each([
  [
    'a network of its own',
    'virbr0\t007AA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n',
    ['192.168.122.0/24'],
  ],
  ['a route of a VPN', 'tun0\t0000000A\t0101A8C0\t0003\t0\t0\t50\t000000FF\t0\t0\t0\n', ['10.0.0.0/8']],
  ['a single host', 'eth0\t0A7AA8C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n', ['192.168.122.10/32']],
  ['a default route', 'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n', []],
  ['the half of one, as VPNs set it', 'tun0\t00000080\t0101A8C0\t0003\t0\t0\t50\t00000080\t0\t0\t0\n', []],
  ['a line that is none', 'nonsense\n', []],
])('%s', (_, line, ranges) => {
  expect(parseRoutes(HEAD + line)).toEqual(ranges);
});

it('reads those of this machine without an error, and no loopback', async () => {
  expect((await ownRanges()).filter((range) => range.startsWith('127.'))).toEqual([]);
});
