import { expect, it } from 'vitest';
import { refuseReplacement } from '../../../src/actuator/plan/replace-guard.ts';
import type { Plan } from '../../../src/terraform/format/plan.ts';
import type { ChangeAction, ResourceChange } from '../../../src/terraform/format/resource-change.ts';

function change(address: string, action: ChangeAction): ResourceChange {
  const [type = '', name = ''] = address.split('.');
  return { address, type, name, action };
}

const ROOT = 'libvirt_volume.root';
const DATA = 'libvirt_volume.disk_data';
const SEED = 'libvirt_volume.seed';
const DOMAIN = 'libvirt_domain.machine';

/** `gone`: what somebody removed and the plan makes anew. */
function plan(gone: readonly string[], changes: readonly ResourceChange[] = []): Plan {
  return {
    action: 'update',
    changes: [...gone.map((address) => change(address, 'create')), ...changes],
    drift: gone.map((address) => change(address, 'delete')),
  };
}

const verdict = (one: Plan, isOn: boolean) =>
  refuseReplacement(
    one,
    async () => [],
    async () => isOn,
  ).then(
    () => 'runs',
    (error: Error) => error.message,
  );

const REFUSED_DATA = `the change would make ${DATA} anew, whose data is gone`;

it.each([
  ['a domain that is gone', plan([DOMAIN]), false, 'runs'],
  ['a domain and its root disk that are gone', plan([DOMAIN, ROOT]), false, 'runs'],
  ['a seed that is gone under a running guest', plan([SEED]), true, 'runs'],
  ['a root disk that is gone under a guest that is off', plan([ROOT]), false, 'runs'],
  [
    'a root disk that is gone under a running guest, which still writes to the deleted file',
    plan([ROOT]),
    true,
    `the change would make ${ROOT} anew, whose data is gone`,
  ],
  ['a data disk that is gone', plan([DATA]), false, REFUSED_DATA],
  ['a data disk that is gone with its domain', plan([DATA, DOMAIN]), false, REFUSED_DATA],
  [
    'a new data disk that somebody asked for',
    { ...plan([]), changes: [change(DATA, 'create')] },
    true,
    'runs',
  ],
  [
    'a domain that is to be replaced',
    plan([], [change(DOMAIN, 'replace')]),
    true,
    `the change would replace ${DOMAIN}`,
  ],
  ['a change in place', plan([], [change(DOMAIN, 'update')]), true, 'runs'],
] as const)('without a word: %s', async (_, one, isOn, expected) => {
  expect(await verdict(one, isOn)).toBe(expected);
});
