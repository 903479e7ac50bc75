/**
 * Verifies that machines are created and deleted although the controller, terraform and the provider are killed at random
 * times. CAPLV_CAMPAIGN_SEED repeats the decisions of a run, but not their exact times. CAPLV_CAMPAIGN_KILLS=100 with
 * CAPLV_CAMPAIGN_MACHINES=50 is the whole campaign, which takes more than five minutes.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { PROGRAM } from '../e2e/caplv.ts';
import { expectNothingLeft } from './aftermath.ts';
import { Churn } from './churn.ts';
import { differences, machineNames } from './cluster-facts.ts';
import { FaultPoints } from './fault-points.ts';
import { Random } from './random.ts';
import { record } from './record.ts';

const SEED = Number(process.env['CAPLV_CAMPAIGN_SEED'] ?? Random.newSeed());
const KILLS = Number(process.env['CAPLV_CAMPAIGN_KILLS'] ?? 25);
const MACHINES = Number(process.env['CAPLV_CAMPAIGN_MACHINES'] ?? 15);
/** A controller lives no longer: it starts in about one second, and a machine is made in less. */
const LIFE_MS = 3_000;
/** How often terraform or the provider is killed between two starts of the controller. */
const CHILD = 0.15;
const SPEC = { userData: '#cloud-config\n' };
const VOLUMES = ['root.qcow2', 'seed.iso'];

vi.setConfig({ testTimeout: 900_000 + KILLS * 2 * LIFE_MS });
const soon = { timeout: 300_000, interval: 500 };

let lab: ClusterLab;
let faults: FaultPoints;
let env: NodeJS.ProcessEnv;
let controller: ControllerProcess | undefined;

beforeAll(async () => {
  lab = await ClusterLab.up('campaign');
  process.env['PATH'] = lab.lab.env()['PATH'];
  faults = await FaultPoints.make();
  env = { ...lab.env(), ...faults.env(), CAPLV_TERRAFORM: faults.terraform, CAPLV_VERBOSE: '' };
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
  await faults?.remove();
});

test(`${KILLS} kills while ${MACHINES} machines come and go, seed ${SEED}`, async (context) => {
  console.info(
    `CAPLV_CAMPAIGN_SEED=${SEED} CAPLV_CAMPAIGN_KILLS=${KILLS} CAPLV_CAMPAIGN_MACHINES=${MACHINES}`,
  );
  const random = new Random(SEED);
  const churn = new Churn({
    lab,
    random: new Random(SEED + 1),
    machines: MACHINES,
    pauseMs: LIFE_MS / 4,
    spec: SPEC,
  });
  await churn.begin();
  const enough = new AbortController();
  const churning = churn.run(enough.signal);
  const identities = new Identities();
  const killed = { controller: 0, terraform: 0, provider: 0 };
  const started = performance.now();
  try {
    while (killed.controller + killed.terraform + killed.provider < KILLS) {
      controller = ControllerProcess.begin(env, [], PROGRAM);
      const lifeMs = random.next() * LIFE_MS;
      const strikes = random.next() < CHILD;
      await sleep(lifeMs);
      if (strikes) {
        const child = await killChild(controller, random);
        if (child) killed[child] += 1;
        await sleep(lifeMs / 2);
      }
      // One that gave up by itself would be a fault of its own.
      expect(controller.child.exitCode, JSON.stringify(controller.lines.at(-1))).toBeNull();
      await controller.kill();
      killed.controller += 1;
      await identities.look();
    }
  } finally {
    enough.abort();
    await churning;
  }
  console.info(`${JSON.stringify(killed)} in ${seconds(started)} s`);

  const settling = performance.now();
  controller = await ControllerProcess.start(env, [], 'Working', PROGRAM);
  const { singles, sizes } = churn.wanted;
  await expect.poll(() => machineNames(lab), soon).toHaveLength(MACHINES);
  await expect.poll(() => differences(lab, VOLUMES), soon).toEqual([]);
  const names = await machineNames(lab);
  expect(names).toHaveLength(MACHINES);
  for (const name of singles) expect(names).toContain(name);
  for (const [set, size] of sizes) {
    expect(names.filter((name) => name.startsWith(`${set}-`))).toHaveLength(size);
  }
  await identities.look();
  expect(identities.changed).toEqual([]);
  expect(JSON.parse((await lab.caplv('orphans', '-o', 'json')).stdout)).toEqual([]);
  console.info(`all ${MACHINES} whole after ${seconds(settling)} s`);

  await expectNothingLeft({ lab, churn, faults }, controller, soon);
  record(context, {
    fault:
      'SIGKILL of the controller, now and then of terraform or the provider, at random times, while machines come and go',
    seen: `${KILLS} kills (${counted(killed)}) while ${MACHINES} machines come and go, seed ${SEED}`,
    outcome:
      'exactly the machines asked for; none that was ready is made again; nothing left over, no lock held, and nothing at all when all are deleted',
  });
});

/** Kills one of the processes that the controller started, as soon as one exists; undefined if none starts for long. */
async function killChild(
  { child }: ControllerProcess,
  random: Random,
): Promise<'terraform' | 'provider' | undefined> {
  for (const until = performance.now() + 3 * LIFE_MS; performance.now() < until; await sleep(50)) {
    const found = (await faults.running()).filter(
      ({ parent, command }) => parent === child.pid && /^\S*\/(terraform|tofu)(-provider\S*)? /.test(command),
    );
    const victim = random.pick(found);
    if (!victim) continue;
    process.kill(victim.pid, 'SIGKILL');
    return victim.command.includes('terraform-provider-') ? 'provider' : 'terraform';
  }
  return undefined;
}

/** The domains of machines that are ready: each must stay the same one. */
class Identities {
  readonly #uuids = new Map<string, string>();
  readonly changed: string[] = [];

  async look(): Promise<void> {
    const { items } = await lab.client.list(MachineKind);
    const lines = (await lab.virsh('list', '--all', '--name', '--uuid')).split('\n');
    const domains = new Map(
      lines.map((line) => line.trim().split(/\s+/)).map(([uuid = '', name = '']) => [name, uuid]),
    );
    for (const { metadata, spec } of items) {
      const uuid = domains.get(`${metadata.namespace}.${metadata.name}`);
      if (spec.providerID === undefined || metadata.deletionTimestamp || uuid === undefined) continue;
      const uid = metadata.uid ?? '';
      const before = this.#uuids.get(uid) ?? uuid;
      this.#uuids.set(uid, before);
      if (before !== uuid) this.changed.push(`${metadata.name}: ${before} is now ${uuid}`);
    }
  }
}

const counted = (kills: Readonly<Record<string, number>>) =>
  Object.entries(kills)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ');
const seconds = (since: number) => ((performance.now() - since) / 1_000).toFixed(0);
