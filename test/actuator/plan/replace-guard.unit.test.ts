/** Verifies that a plan does not replace a domain or a disk without approval. */

import { describe, expect, it } from 'vitest';
import { planEffect } from '../../../src/actuator/plan/effect.ts';
import { type Consent, refuseLoss } from '../../../src/actuator/plan/replace-guard.ts';
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

/** `gone`: resources that were removed outside of Terraform, and that the plan creates again. */
function plan(gone: readonly string[], changes: readonly ResourceChange[] = []): Plan {
  return {
    action: 'update',
    changes: [...gone.map((address) => change(address, 'create')), ...changes],
    drift: gone.map((address) => change(address, 'delete')),
  };
}

const NO_CONSENT: Consent = { replace: false, restart: false, disks: [] };
const VOLUMES = { [ROOT]: 'root.qcow2', [DATA]: 'disk-data.qcow2', [SEED]: 'seed.iso-0123' };

const state = {
  serial: 1,
  lineage: 'x',
  outputs: {},
  providers: [],
  resources: Object.entries(VOLUMES).map(([address, role]) => ({
    address,
    type: 'libvirt_volume',
    name: address.split('.')[1] ?? '',
    tainted: false,
    attributes: { name: `default.web.01234567-${role}` },
  })),
};

const verdict = (one: Plan, isOn: boolean, consent = NO_CONSENT) =>
  refuseLoss(one, planEffect(one, state), consent, {
    explain: async () => [],
    isOn: async () => isOn,
  }).then(
    () => 'runs',
    (error: Error) => error.message,
  );

const REFUSED_DATA = `the change would create ${DATA} again, without its lost data`;

it.each([
  ['a domain that is gone', plan([DOMAIN]), false, 'runs'],
  ['a domain and its root disk that are gone', plan([DOMAIN, ROOT]), false, 'runs'],
  ['a seed that is gone under a running guest', plan([SEED]), true, 'runs'],
  ['a root disk that is gone under a guest that is off', plan([ROOT]), false, 'runs'],
  [
    'a root disk that is gone under a running guest, which still writes to the deleted file',
    plan([ROOT]),
    true,
    `the change would create ${ROOT} again, without its lost data`,
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
    `the change would replace ${DOMAIN}: the guest restarts, its disks stay`,
  ],
  ['a change in place', plan([], [change(DOMAIN, 'update')]), true, 'runs'],
] as const)('without consent: %s', async (_, one, isOn, expected) => {
  expect(await verdict(one, isOn)).toBe(expected);
});

describe('a disk that is there', () => {
  const replaced = plan([], [change(DATA, 'replace'), change(DOMAIN, 'replace')]);
  const all = plan([], [change(ROOT, 'replace'), change(DATA, 'delete'), change(DOMAIN, 'replace')]);
  const refusedData = `the change would replace ${DATA} and replace ${DOMAIN}: the guest restarts, and what is on the disk data is lost`;
  const refusedAll = `the change would replace ${ROOT} and delete ${DATA} and replace ${DOMAIN}: the guest restarts, and what is on the disks root, data is lost`;
  it.each([
    ['is not replaced because a domain may be', replaced, { replace: true, disks: [] }, refusedData],
    ['is not replaced because another was named', replaced, { replace: true, disks: ['root'] }, refusedData],
    [
      'is replaced, with its domain, when it was named',
      replaced,
      { replace: false, disks: ['data'] },
      'runs',
    ],
    ['each has to be named', all, { replace: true, disks: ['data'] }, refusedAll],
    ['all were named', all, { replace: false, disks: ['data', 'root'] }, 'runs'],
    [
      'is not given up to a later Terraform that only forgets it',
      plan([], [change(DATA, 'remove')]),
      { replace: true, disks: [] },
      `the change would remove ${DATA}: what is on the disk data is lost`,
    ],
    ['and a seed goes without a name', plan([], [change(SEED, 'replace')]), NO_CONSENT, 'runs'],
  ] as const)('%s', async (_, one, consent, expected) => {
    expect(await verdict(one, true, { restart: true, ...consent })).toBe(expected);
  });

  it('is named in the fix, for the command line and for a cluster', async () => {
    const refusal = refuseLoss(replaced, planEffect(replaced, state), NO_CONSENT, {
      explain: async () => [],
      isOn: async () => true,
    });
    await expect(refusal).rejects.toMatchObject({
      fix: expect.stringMatching(
        /--allow-replace-disk MACHINE\/data.*approve-disks=data beside .*approve-plan=ID/,
      ),
    });
  });
});

describe('the consent to a restart', () => {
  const restart: Consent = { replace: false, restart: true, disks: [] };

  it.each([
    ['a domain that is replaced on its disks', plan([], [change(DOMAIN, 'replace')]), 'runs'],
    [
      'a data disk that is gone, and would be made again empty',
      plan([DATA], [change(DOMAIN, 'replace')]),
      `create ${DATA} again, without its lost data`,
    ],
    [
      'a root disk that is replaced',
      plan([], [change(ROOT, 'replace'), change(DOMAIN, 'replace')]),
      'what is on the disk root is lost',
    ],
    [
      'a network that the manifest itself declares',
      plan([], [change('libvirt_network.own', 'replace'), change(DOMAIN, 'replace')]),
      'replace libvirt_network.own',
    ],
  ])('of %s', async (_, one, expected) => {
    expect(await verdict(one, true, restart)).toContain(expected);
  });

  it('is what a refused restart asks for', async () => {
    const one = plan([], [change(DOMAIN, 'replace')]);
    const questions = { explain: async () => [], isOn: async () => true };
    await expect(refuseLoss(one, planEffect(one, state), NO_CONSENT, questions)).rejects.toMatchObject({
      fix: expect.stringMatching(/--allow-restart.*cluster-api\.k8s\.io\/allow-restart=true/),
    });
  });
});
