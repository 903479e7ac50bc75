/** Verifies that a state whose writer was killed is set aside, and that complete objects are not removed. */

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { StateHandle } from '../../../src/actuator/context/state-home.ts';
import { LocalStateBackends } from '../../../src/actuator/state/local.ts';
import { mayRemoveUntracked } from '../../../src/actuator/state/machine-journal.ts';
import { isTorn, setTornAside } from '../../../src/actuator/state/torn-state.ts';
import { scratchDir } from '../../terraform/scratch.ts';

const whole = (types: readonly string[]) =>
  JSON.stringify({
    version: 4,
    serial: 3,
    lineage: '0f1e2d3c-0000-0000-0000-000000000000',
    outputs: {},
    resources: types.map((type) => ({
      mode: 'managed',
      type,
      name: 'machine',
      instances: [{ attributes: {} }],
    })),
  });
const STATE = whole(['libvirt_domain']);

let home: StateHandle;
const write = (name: string, text: string) => writeFile(join(home.workspace.dir, name), text);

beforeEach(async () => {
  home = new LocalStateBackends(await scratchDir()).machine({ namespace: 'default', name: 'web' });
  await mkdir(home.workspace.dir, { recursive: true });
});

describe('a state', () => {
  it.each([
    ['of which nothing was written', '', 'update', true],
    ['of which half was written', STATE.slice(0, 80), 'create', true],
    ['of which all but the last brace was written', STATE.slice(0, -1), 'delete', true],
    ['that is whole', STATE, 'update', false],
    ['that is whole but for its line feed', STATE.trimEnd(), 'create', false],
    // Somebody wrote that: it waits for a person.
    ['that is cut although nothing was pending', STATE.slice(0, 80), undefined, false],
    ['of another version', '{"version": 3}', 'update', false],
    ['that is not there', undefined, 'update', false],
  ])('%s', async (_, text, note, torn) => {
    if (text !== undefined) await write('terraform.tfstate', text);
    if (note !== undefined) await write('unfinished', note);
    expect(await isTorn(home)).toBe(torn);
    expect(await setTornAside({ home, onEvent: () => {} })).toBe(torn);
    const files = await readdir(home.workspace.dir);
    expect(files.includes('terraform.tfstate.corrupt')).toBe(torn);
    expect(files.includes('terraform.tfstate')).toBe(text !== undefined && !torn);
  });
});

it('two that are put aside both stay', async () => {
  await write('unfinished', 'update');
  for (const part of ['{"version": 4,', '{"ver']) {
    await write('terraform.tfstate', part);
    await setTornAside({ home, onEvent: () => {} });
  }
  const kept = (await readdir(home.workspace.dir)).filter((name) => name.includes('.corrupt')).sort();
  const texts = await Promise.all(kept.map((name) => readFile(join(home.workspace.dir, name), 'utf8')));
  expect(texts).toEqual(['{"version": 4,', '{"ver']);
});

it('what a create made to its end is not removed as half-made when the state is torn', async () => {
  await home.history.keep(STATE);
  await write('unfinished', 'create');
  await write('terraform.tfstate', STATE.slice(0, 80));
  await setTornAside({ home, onEvent: () => {} });
  expect(await mayRemoveUntracked(home, undefined)).toBe(false);
});

it('what a create has not made to its end goes', async () => {
  await home.history.keep(whole(['libvirt_volume']));
  await write('unfinished', 'create');
  await write('terraform.tfstate', '');
  await setTornAside({ home, onEvent: () => {} });
  expect(await mayRemoveUntracked(home, undefined)).toBe(true);
});
