/**
 * Verifies that the periodic check, which asks the provider and runs no terraform for an unchanged machine, finds all that
 * `terraform plan` finds. CAPLV_DRIFT_SEED repeats a run. Makes a few changes of each kind; `npm run test:drift` makes every
 * change of changes.ts on 64 machines, of which 8 run, in about ten minutes.
 */

import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { messageOf } from '../../src/errors.ts';
import { Random } from '../faults/random.ts';
import { CHANGES, type OutOfBandChange } from './changes.ts';
import { DriftWorld } from './drift-world.ts';

const SEED = Number(process.env['CAPLV_DRIFT_SEED'] ?? Random.newSeed());
const MACHINES = Number(process.env['CAPLV_DRIFT_MACHINES'] ?? 5);
const GUESTS = Number(process.env['CAPLV_DRIFT_GUESTS'] ?? 1);
/** Of those with a guest and of those without; absent: as many as machines allow. */
const CHANGES_MADE = Number(process.env['CAPLV_DRIFT_CHANGES'] ?? 6);
const REPORT = process.env['CAPLV_DRIFT_REPORT'];

vi.setConfig({ testTimeout: 120_000 + CHANGES_MADE * 60_000, hookTimeout: 300_000 + MACHINES * 10_000 });

const SPECS: readonly object[] = [
  {},
  { disks: [{ name: 'data', sizeGB: 1 }] },
  { interfaces: [{ network: 'default' }, { network: 'default' }] },
  { rootDisk: { sizeGB: 0.1 }, guestAgent: true },
  { autostart: true, graphics: 'vnc' },
  { machineType: 'q35', disks: [{ name: 'data', sizeGB: 1, format: 'raw' }] },
];
const GUEST = { running: true, memoryMiB: 128 };

/** One of them is of another kind, or has lost what is to be changed. */
const MOST_TRIES = 12;

const random = new Random(SEED);
/** Changes that no machine allowed. */
const unmade: string[] = [];
let world: DriftWorld;
/** Machines that are as they were made. */
const off: string[] = [];
const on: string[] = [];

beforeAll(async () => {
  world = await DriftWorld.up();
  const names = [
    ...Array.from({ length: MACHINES - GUESTS }, (_, index) => ({
      name: `off-${index}`,
      list: off,
      spec: SPECS[index % SPECS.length],
    })),
    ...Array.from({ length: GUESTS }, (_, index) => ({ name: `on-${index}`, list: on, spec: GUEST })),
  ];
  // The first brings the image.
  for (const workers of [1, 3]) {
    const work = workers === 1 ? names.splice(0, 1) : names;
    await Promise.all(
      Array.from({ length: workers }, async () => {
        for (let one = work.shift(); one; one = work.shift()) {
          await world.make(one.name, one.spec as object);
          one.list.push(one.name);
        }
      }),
    );
  }
});

afterAll(() => world?.down());

interface Row {
  readonly change: string;
  readonly guest: string;
  readonly terraform: string;
  readonly check: string;
}

it(`finds what a plan finds, and runs no terraform for what is unchanged; seed ${SEED}`, async () => {
  console.info(`CAPLV_DRIFT_SEED=${SEED} CAPLV_DRIFT_MACHINES=${MACHINES} CAPLV_DRIFT_GUESTS=${GUESTS}`);
  for (const machine of [...off, ...on]) await settle(machine);
  await expectUntouched([...off, ...on]);

  const rows: Row[] = [];
  const missed: string[] = [];
  const some = shuffled(CHANGES).slice(0, CHANGES_MADE);
  for (const change of some) {
    const made = await makeSomewhere(change);
    if (!made) continue;
    const { machine, undo } = made;
    const row = await compare(machine);
    rows.push({ change: change.name, guest: change.guest, ...row });
    if (row.check === 'MISSED') missed.push(`${change.name} (${machine}): ${row.terraform}`);
    const untouched = random.pick(off.filter((one) => one !== machine));
    if (undo) {
      await undo();
      const back = await compare(machine);
      if (back.check === 'MISSED') missed.push(`${change.name} taken back (${machine}): ${back.terraform}`);
      await settle(machine);
    } else retire(machine);
    if (untouched !== undefined) await expectUntouched([untouched]);
  }
  const flagged = rows.filter(({ terraform }) => terraform !== 'nothing').length;
  const extra = rows.filter(({ check }) => check === 'a plan, which finds nothing').length;
  console.info(
    `${rows.length} changes, ${flagged} found by plan, ${missed.length} missed, ${extra} plans for nothing`,
  );
  if (REPORT !== undefined) await writeFile(REPORT, table(rows));
  for (const line of unmade) console.info(`not made: ${line}`);
  expect(missed).toEqual([]);
  await expectUntouched(off);
});

/** Asks both. The check comes first: a plan of its own would be no help to it. */
async function compare(machine: string): Promise<Pick<Row, 'terraform' | 'check'>> {
  const { reason, finding } = await world.check(machine);
  if (reason !== undefined) {
    const check = finding === undefined ? 'a plan, which finds nothing' : 'a plan, which finds it';
    return { terraform: finding ?? 'nothing', check };
  }
  const terraform = await world.plan(machine);
  return { terraform: terraform ?? 'nothing', check: terraform === undefined ? 'no terraform' : 'MISSED' };
}

/** Until a check needs no terraform: a guest that gets its address has one more plan made. */
async function settle(machine: string): Promise<void> {
  await expect
    .poll(() => world.check(machine), { timeout: 120_000, interval: 1_000 })
    .toEqual({ reason: undefined, finding: undefined });
}

async function expectUntouched(machines: readonly string[]): Promise<void> {
  const before = world.runs;
  const checks = await Promise.all(
    machines.filter(isOff).map(async (machine) => ({ machine, ...(await world.check(machine)) })),
  );
  expect(checks.filter(({ reason }) => reason !== undefined)).toEqual([]);
  expect(world.runs).toBe(before);
}

function isOff(machine: string): boolean {
  return machine.startsWith('off-');
}

/** Makes the change on the first of the machines that has what it changes. */
async function makeSomewhere(
  change: OutOfBandChange,
): Promise<
  { readonly machine: string; readonly undo: Awaited<ReturnType<OutOfBandChange['make']>> } | undefined
> {
  const hasDisk = (machine: string) => 'disks' in (SPECS[Number(machine.slice(4)) % SPECS.length] ?? {});
  const machines = change.guest === 'on' ? on : off.filter((one) => !change.needsDisk || hasDisk(one));
  const why: string[] = [];
  for (const machine of shuffled(machines).slice(0, MOST_TRIES)) {
    try {
      return { machine, undo: await change.make(world, machine) };
    } catch (error) {
      why.push(`${machine}: ${messageOf(error).split('\n').at(-1)}`);
    }
  }
  unmade.push(`${change.name}: ${why.join('; ')}`);
  return undefined;
}

function retire(machine: string): void {
  for (const list of [off, on]) if (list.includes(machine)) list.splice(list.indexOf(machine), 1);
}

function shuffled<T>(values: readonly T[]): T[] {
  const left = [...values];
  return values.flatMap(() => left.splice(random.below(left.length), 1));
}

function table(rows: readonly Row[]): string {
  const order = CHANGES.map(({ name }) => name);
  const lines = rows
    .toSorted((a, b) => order.indexOf(a.change) - order.indexOf(b.change))
    .map(({ change, guest, terraform, check }) => `| ${change} | ${guest} | ${terraform} | ${check} |`);
  return [
    '| Change | Guest | What `terraform plan` finds | What the check does |',
    '|---|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}
