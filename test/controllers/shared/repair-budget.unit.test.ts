/** Verifies that the repair budget protects a fleet whose machines all look lost. */

import { beforeEach, describe, expect, it } from 'vitest';
import { type Machine, MachineKind } from '../../../src/api/kinds/machine.ts';
import { PROCEED_UNTIL_ANNOTATION } from '../../../src/controllers/shared/proceed-until.ts';
import { mostRepairs, type PastRepair, RepairBudget } from '../../../src/controllers/shared/repair-budget.ts';
import { LocalStore } from '../../../src/store/local-store.ts';
import { memoryDir } from '../../terraform/scratch.ts';

const MINUTE = 60_000;
const HOST = 'qemu+ssh://root@rack1/system';

let store: LocalStore;
let now: number;
const lost = new Set<string>();
let elsewhere: PastRepair[];

beforeEach(async () => {
  store = await LocalStore.open(await memoryDir());
  now = Date.parse('2026-01-01T12:00:00Z');
  lost.clear();
  elsewhere = [];
});

const limits = { share: 0.2, windowMs: 60 * MINUTE };
const budget = () =>
  new RepairBudget({
    store,
    limits,
    isLost: ({ metadata }) => lost.has(metadata.name),
    elsewhere: async () => elsewhere,
    now: () => now,
  });

async function machine(name: string, host = HOST, set?: string): Promise<Machine> {
  const owner = set && {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'MachineSet',
    name: set,
    uid: `uid-of-${set}`,
    controller: true,
  };
  const made = await store.apply(
    MachineKind,
    {
      metadata: { namespace: 'default', name, ...(owner ? { ownerReferences: [owner] } : {}) },
      spec: { providerSpec: { vcpu: 1, memoryMiB: 64, imageURI: '/x.qcow2' } } as unknown as Machine['spec'],
    },
    { fieldManager: 'test' },
  );
  return change(made, { pinned: { uri: host } });
}

function change({ metadata }: Machine, providerStatus: object, conditions: object[] = []): Promise<Machine> {
  const { namespace = '', name } = metadata;
  const status = { providerStatus, conditions } as unknown as Machine['status'];
  return store.applyStatus(MachineKind, { namespace, name }, status, { fieldManager: 'test' });
}

const fleet = (size: number, host = HOST, set?: string) =>
  Promise.all(
    Array.from({ length: size }, (_, index) => machine(`${set ?? new URL(host).host}-${index}`, host, set)),
  );

const HELD_CONDITION = {
  type: 'Drifted',
  status: 'True',
  reason: 'RepairsHeld',
  message: '',
  lastTransitionTime: '2026-01-01T12:00:00Z',
};

describe('a fleet that an accident makes look lost', () => {
  it.each([
    [1, 1],
    [4, 1],
    [5, 1],
    [10, 2],
    [14, 2],
    [100, 20],
  ])('of %i machines loses at most %i to repair', (machines, most) => {
    expect(mostRepairs(machines, limits)).toBe(most);
  });

  it('keeps every machine when all look lost at once, also the first that is looked at', async () => {
    const machines = await fleet(10);
    for (const { metadata } of machines) lost.add(metadata.name);
    const one = budget();
    const verdicts = await Promise.all(machines.map((each) => one.take(each)));
    expect(verdicts.filter(({ allowed }) => allowed)).toEqual([]);
    expect(verdicts[0]).toMatchObject({
      message: expect.stringMatching(/^10 of 10 machines of host qemu\+ssh.* and 2 may be: .*proceed-until=/),
    });
  });

  it('keeps the rest when they are lost one after the other', async () => {
    const machines = await fleet(10);
    const one = budget();
    const allowed = [];
    for (const each of machines) allowed.push((await one.take(each)).allowed);
    expect(allowed).toEqual([true, true, ...Array(8).fill(false)]);
  });

  it('is as safe after a restart of the controller as before: the Machines tell', async () => {
    const machines = await fleet(10);
    const at = new Date(now - 5 * MINUTE).toISOString();
    for (const each of machines.slice(0, 2)) {
      await change(each, { pinned: { uri: HOST }, lastRecreated: at });
    }
    expect(await budget().take(machines[5] as Machine)).toMatchObject({ allowed: false });
    now += 56 * MINUTE;
    expect(await budget().take(machines[5] as Machine)).toMatchObject({ allowed: true });
  });

  it('counts what other repairers did, of which the Machine is gone', async () => {
    const machines = await fleet(10);
    const gone = { host: HOST, set: undefined, atMs: now - MINUTE };
    elsewhere = [
      { ...gone, machine: 'a' },
      { ...gone, machine: 'b' },
    ];
    expect(await budget().take(machines[0] as Machine)).toMatchObject({ allowed: false });
  });

  it('is one of a host, or one of a set over several hosts', async () => {
    const [here] = await fleet(5, HOST);
    const [first] = await fleet(2, 'qemu:///system', 'a');
    const other = await machine('a-9', 'qemu+tcp://y/system', 'a');
    const one = budget();
    expect(await one.take(here as Machine)).toEqual({ allowed: true });
    expect(await one.take(first as Machine)).toEqual({ allowed: true });
    expect(await one.take(other)).toMatchObject({
      allowed: false,
      message: expect.stringContaining('2 of 3 machines of MachineSet a '),
    });
  });
});

describe('an object over budget waits for an override', () => {
  it('also when the window has passed', async () => {
    const machines = await fleet(10);
    const held = await change(machines[3] as Machine, { pinned: { uri: HOST } }, [HELD_CONDITION]);
    now += 24 * 60 * MINUTE;
    expect(await budget().take(held)).toMatchObject({ allowed: false });
    // Nobody else of the group goes on, either.
    expect(await budget().take(machines[4] as Machine)).toMatchObject({ allowed: false });
    await change(held, { pinned: { uri: HOST } });
    expect(await budget().take(machines[4] as Machine)).toEqual({ allowed: true });
  });

  it.each([
    ['in time', 30, true],
    ['whose time is over', -1, false],
  ])('a word %s', async (_, minutes, allowed) => {
    const machines = await fleet(10);
    const held = await change(machines[3] as Machine, { pinned: { uri: HOST } }, [HELD_CONDITION]);
    const until = new Date(now + minutes * MINUTE).toISOString();
    const said = {
      ...held,
      metadata: { ...held.metadata, annotations: { [PROCEED_UNTIL_ANNOTATION]: until } },
    };
    expect(await budget().take(said)).toMatchObject({ allowed });
  });

  it('and not for an override that is not a time', async () => {
    const [held] = await fleet(1);
    const changed = await change(held as Machine, { pinned: { uri: HOST } }, [HELD_CONDITION]);
    const said = {
      ...changed,
      metadata: { ...changed.metadata, annotations: { [PROCEED_UNTIL_ANNOTATION]: 'yes' } },
    };
    expect(await budget().take(said)).toMatchObject({ allowed: false });
  });
});

it('one machine that is lost again and again is one machine', async () => {
  const [only] = await fleet(1);
  const one = budget();
  expect(await one.take(only as Machine)).toEqual({ allowed: true });
  expect(await one.take(only as Machine)).toEqual({ allowed: true });
});
