/** Verifies that a deletion waits for a pool whose volumes it cannot list. */

import { expect, it } from 'vitest';
import { requireVisiblePools } from '../../../src/actuator/host/volume-pools.ts';
import type { State } from '../../../src/terraform/format/state.ts';
import { hostAt } from '../../lab/host-uri.ts';

const ACTIVE = { name: 'fast', active: true };
const INACTIVE = { name: 'fast', active: false };

const knowing = (pool: string): State => ({
  serial: 1,
  lineage: 'x',
  outputs: {},
  providers: [],
  resources: [
    {
      address: 'libvirt_volume.root',
      type: 'libvirt_volume',
      name: 'root',
      tainted: false,
      attributes: { pool },
    },
  ],
});

const require = (pools: readonly string[], seen: readonly (typeof ACTIVE)[], state?: State) => () =>
  requireVisiblePools({ name: 'web', uri: hostAt('qemu:///system'), pools }, { pools: seen }, state);

it.each([
  ['a pool that is active', require(['fast'], [ACTIVE], knowing('fast'))],
  ['a pool of the specification that was never there', require(['fast', 'none'], [ACTIVE], knowing('fast'))],
])('a deletion goes on with %s', (_, deletion) => {
  expect(deletion).not.toThrow();
});

it.each([
  ['that is not active', require(['fast'], [INACTIVE], knowing('fast')), 'pool-start fast'],
  ['that is not active, and the state is lost', require(['fast'], [INACTIVE]), 'pool-start fast'],
  ['that the specification no longer names', require([], [INACTIVE], knowing('fast')), 'pool-start fast'],
  ['that somebody undefined', require(['fast'], [], knowing('fast')), 'pool-define-as fast dir'],
])('and waits for one %s, whose volumes it could not see', (_, deletion, command) => {
  expect(deletion).toThrow(
    expect.objectContaining({ code: 'PoolNotFound', fix: expect.stringContaining(command) }),
  );
});
