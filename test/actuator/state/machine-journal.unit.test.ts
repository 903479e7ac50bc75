/** Verifies when a deletion may go by what the state of a machine names, and when it has to search the pools. */

import { mkdir } from 'node:fs/promises';
import { beforeEach, expect, it } from 'vitest';
import type { StateHandle } from '../../../src/actuator/context/state-home.ts';
import { LocalStateBackends } from '../../../src/actuator/state/local.ts';
import {
  beginOperation,
  clearPendingOperation,
  hasAllVolumes,
} from '../../../src/actuator/state/machine-journal.ts';
import type { State } from '../../../src/terraform/format/state.ts';
import { scratchDir } from '../../terraform/scratch.ts';

const resource = (name: string) =>
  ({
    address: `libvirt_volume.${name}`,
    type: 'libvirt_volume',
    attributes: { id: `/pool/${name}` },
  }) as never;
const saved: State = {
  serial: 3,
  lineage: '0f1e2d3c',
  resources: [resource('root'), resource('data')],
  outputs: {},
  providers: [],
};

let home: StateHandle;

beforeEach(async () => {
  home = new LocalStateBackends(await scratchDir()).machine({ namespace: 'default', name: 'web' });
  await mkdir(home.workspace.dir, { recursive: true });
});

it.each<[string, State | undefined, boolean]>([
  ['is the one that the run saved', saved, true],
  ['has its resources in another order', { ...saved, resources: saved.resources.toReversed() }, true],
  ['was saved again by somebody else', { ...saved, serial: 4 }, false],
  ['is of another lineage', { ...saved, lineage: 'ffff' }, false],
  ['was edited and kept its serial', { ...saved, resources: saved.resources.slice(0, 1) }, false],
  ['is lost', undefined, false],
])('a volume that no state knows is searched for unless the state %s', async (_, state, expected) => {
  await clearPendingOperation(home, saved);
  expect(await hasAllVolumes(home, state)).toBe(expected);
});

it.each<[string, () => Promise<void>]>([
  ['a run broke off', () => beginOperation(home, 'update')],
  ['what a broken run made was not searched for', () => clearPendingOperation(home)],
])('a volume that no state knows is searched for if %s', async (_, happens) => {
  await clearPendingOperation(home, saved);
  await happens();
  expect(await hasAllVolumes(home, saved)).toBe(false);
});

it('a volume that no state knows is searched for where an earlier version made the machine', async () => {
  expect(await hasAllVolumes(home, saved)).toBe(false);
});
