/** Verifies that machines survive when the controller and its processes are killed at each step, and it is started again. */

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { StateSecret } from '../../src/actuator/state/state-secret.ts';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { parseState } from '../../src/terraform/format/state.ts';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { KeptController } from '../cluster/kept-controller.ts';
import { differences, remains } from './cluster-facts.ts';
import { FaultPoints } from './fault-points.ts';
import { CHANGED, faultOf, type Life, lives, RESOURCES, VOLUMES } from './lives.ts';
import { record } from './record.ts';

vi.setConfig({ testTimeout: 600_000 });
const soon = { timeout: 240_000, interval: 200 };
const namespace = 'default';

let lab: ClusterLab;
let faults: FaultPoints;
let controller: KeptController;

beforeAll(async () => {
  lab = await ClusterLab.up('crash-cluster');
  process.env['PATH'] = lab.lab.env()['PATH'];
  faults = await FaultPoints.make();
  controller = await KeptController.start({ ...lab.env(), ...faults.env(), CAPLV_VERBOSE: '' });
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
  await faults?.remove();
});

afterEach(async () => {
  const names = (await lab.client.list(MachineKind)).items.map(({ metadata }) => metadata.name);
  for (const name of names) await lab.client.delete(MachineKind, { namespace, name });
  await expect.poll(() => remains(lab), soon).toEqual([]);
});

/**
 * One provider serves all machines of a host: those that it dies for live alone, so that each dies at its own point. The others
 * live at once: with the controller it is over for all that it had begun, wherever that was.
 */
function together(all: readonly Life[]): { killed: string; group: readonly Life[] }[] {
  const alone = all.filter(({ victims }) => victims.includes('provider'));
  const rest = Map.groupBy(
    all.filter((life) => !alone.includes(life)),
    ({ killed }) => killed,
  );
  return [
    ...[...rest].map(([killed, group]) => ({ killed: `${killed}, ${group.length} machines`, group })),
    ...alone.map((life) => ({ killed: `${life.killed}, ${life.points.join(', ')}`, group: [life] })),
  ];
}

const verbs = ['create', 'update', 'delete'] as const;

/** Omits the point of the replacement, which waits for approval in a cluster. */
function pointsOf({ points: [create, update, , remove] }: Life): readonly string[] {
  return [create, update, remove];
}

/** Kills the processes of all lives of the group on the way to `there`. */
async function struck(
  group: readonly Life[],
  step: number,
  act: (life: Life) => Promise<void>,
): Promise<void> {
  for (const life of group) await faults.arm(life.name, life.victims, pointsOf(life)[step] ?? '');
  await Promise.all(group.map(act));
  await expect
    .poll(() => group.filter(({ name }) => !faults.isHit(name)).map(({ name }) => name), soon)
    .toEqual([]);
}

async function becomeWhole(group: readonly Life[], resources: readonly string[]): Promise<void> {
  await expect.poll(() => differences(lab, VOLUMES), soon).toEqual([]);
  for (const { name } of group) {
    const state = parseState(
      await new StateSecret(lab.client, { namespace, name: `tfstate-${name}-caplv` }).state(),
    );
    expect((state?.resources ?? []).map(({ address }) => address).sort()).toEqual(resources);
  }
}

const apply = ({ name }: Life, spec: object) => lab.apply(lab.machine(name, spec));
const uuids = (group: readonly Life[]) =>
  Promise.all(group.map(({ name }) => lab.virsh('domuuid', `default.${name}`)));

describe('SIGKILL at each step', () => {
  // All steps for the controller itself; a choice for the others, as on the command line.
  test.for(together(lives('the controller', [1, 3, 7, 2])))('of $killed', async ({ group }, context) => {
    await struck(group, 0, (life) => apply(life, life.spec));
    await becomeWhole(group, RESOURCES);
    const first = await uuids(group);

    await struck(group, 1, (life) => apply(life, life.changed));
    await becomeWhole(group, CHANGED);
    expect(await uuids(group)).toEqual(first);

    await struck(group, 2, ({ name }) => lab.client.delete(MachineKind, { namespace, name }));
    await expect.poll(() => remains(lab), soon).toEqual([]);

    const outcomes = ['made, once', 'changed, the same domain', 'gone, with all of it'];
    for (const life of group) {
      const seen = life.victims.includes('caplv')
        ? 'the next controller goes on'
        : 'the controller tries again';
      for (const [step, point] of pointsOf(life).entries()) {
        record(context, {
          fault: faultOf(life, verbs[step] ?? '', point),
          seen,
          outcome: outcomes[step] ?? '',
        });
      }
    }
  });
});

test('a namespace whose states are deleted while terraform destroys a machine is emptied', async (context) => {
  const going = 'going';
  await lab.kubectl('create', 'namespace', going);
  await lab.apply(lab.machine('tenant', {}, { namespace: going }));
  await lab.kubectl('-n', going, 'wait', 'machine/tenant', '--for=condition=Ready', '--timeout=120s');
  await faults.arm('tenant', ['pause'], 'delete_start libvirt_domain.machine');
  // What the namespace controller does, which is not there: from the first call on, nothing new can be made.
  await lab.kubectl('delete', 'namespace', going, '--wait=false');
  await lab.kubectl('-n', going, 'delete', 'machine/tenant', '--wait=false');
  await expect.poll(() => faults.isHit('tenant'), soon).toBe(true);
  await lab.kubectl('-n', going, 'delete', 'secrets,leases', '--all');
  await faults.resume('tenant');
  await expect.poll(() => remains(lab), soon).toEqual([]);
  record(context, {
    fault: 'namespace deleted, and with it the state, while terraform destroys a machine of it',
    seen: 'terraform cannot save the state',
    outcome: 'gone, with all of it',
  });
});

test('nothing is left after all machines are deleted', async () => {
  await controller.stop();
  for (const which of [[], ['--inactive']]) {
    expect(await lab.virsh('net-dumpxml', 'default', ...which)).not.toContain('<host ');
  }
  await expect.poll(() => faults.processes(), soon).toEqual([]);
  expect(await faults.temporaryFiles()).toEqual([]);
});
