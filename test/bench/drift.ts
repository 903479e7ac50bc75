/**
 * Measures how soon a controller notices that a domain was stopped or removed: from the end of the virsh command to the
 * condition Drifted at the API server. As root: `node test/bench/drift.ts [rounds]`.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';

const ROUNDS = Number(process.argv[2] ?? 20);
const POLL_MS = 10;

async function main(): Promise<void> {
  const lab = await ClusterLab.up('bench-drift');
  const controller = await ControllerProcess.start(lab.env()).catch(async (error) => {
    await lab.down();
    throw error;
  });
  try {
    for (const [name, running] of [
      ['on', true],
      ['off', false],
    ] as const) {
      const machine = lab.machine(name, { running }) as { spec: object };
      // It is put right by us, so that the controller's pauses between repairs are not measured.
      await lab.apply({ ...machine, spec: { ...machine.spec, repair: 'Never' } });
      await until(async () => (await lab.ready(name))?.startsWith('True') ?? false);
    }
    const xml = await lab.virsh('dumpxml', 'default.off');
    report('destroyed', await rounds(lab, 'on', ['destroy'], () => lab.virsh('start', 'default.on')));
    report('undefined', await rounds(lab, 'off', ['undefine'], () => lab.define(xml)));
  } finally {
    await controller.stop();
    await lab.down();
  }
}

/** Milliseconds of each round. */
async function rounds(
  lab: ClusterLab,
  name: string,
  command: readonly string[],
  putRight: () => Promise<unknown>,
): Promise<number[]> {
  const drifted = async () =>
    (await lab.get(name))?.status?.conditions?.find(({ type }) => type === 'Drifted')?.status;
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await until(async () => (await drifted()) === 'False');
    await lab.virsh(...command, `default.${name}`);
    const started = performance.now();
    await until(async () => (await drifted()) === 'True');
    times.push(performance.now() - started);
    await putRight();
  }
  return times;
}

function report(what: string, times: number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const ms = (at: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? 0);
  console.log(`${what}: noticed after ${ms(0.5)} ms (median of ${times.length}), ${ms(0)} to ${ms(1)} ms`);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(POLL_MS);
}

await main();
