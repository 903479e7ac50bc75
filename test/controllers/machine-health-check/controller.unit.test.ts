/** Verifies which machines a MachineHealthCheck deletes, and when it deletes none. */

import { beforeEach, describe, expect, it } from 'vitest';
import { admit } from '../../../src/api/kinds/admission.ts';
import { type Cluster, ClusterKind } from '../../../src/api/kinds/cluster.ts';
import { type Machine, MachineKind } from '../../../src/api/kinds/machine.ts';
import {
  type MachineHealthCheck,
  MachineHealthCheckKind,
} from '../../../src/api/kinds/machine-health-check.ts';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import { API_VERSION, SKIP_REMEDIATION_ANNOTATION } from '../../../src/api/schema/group.ts';
import { PAUSED_ANNOTATION } from '../../../src/api/schema/paused.ts';
import { MachineHealthCheckReconciler } from '../../../src/controllers/machine-health-check/controller.ts';
import { HealthCheckMetrics } from '../../../src/controllers/machine-health-check/metrics.ts';
import { pastRemediations } from '../../../src/controllers/machine-health-check/remediation.ts';
import { DISABLE_CREATE_ANNOTATION } from '../../../src/controllers/machine-set/controller.ts';
import type { WorkloadNode } from '../../../src/controllers/node/workload-node.ts';
import { APPROVE_DISKS_ANNOTATION } from '../../../src/controllers/shared/named-disks.ts';
import { PROCEED_UNTIL_ANNOTATION } from '../../../src/controllers/shared/proceed-until.ts';
import { RepairBudget } from '../../../src/controllers/shared/repair-budget.ts';
import { TransientError } from '../../../src/errors.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { metricValue } from '../../telemetry/metric-value.ts';
import { key, template, World } from '../world.ts';

const PERSON = { fieldManager: 'caplv' };
const LONG_AGO = '2026-01-01T00:00:00Z';

let world: World;
/** Nodes as a watch shows them, by name, with the status of their condition Ready. */
let nodes: Map<string, string>;
/** Nodes as they are; absent: as the watch shows them. */
let really: Map<string, string> | undefined;
let reads: number;
let budget: RepairBudget;
let metrics: Metrics;
/** As the controller's watch shows them when its metrics are read. */
let watched: MachineHealthCheck[];
let controller: MachineHealthCheckReconciler;

beforeEach(async () => {
  world = await World.open();
  nodes = new Map();
  really = undefined;
  reads = 0;
  metrics = new Metrics();
  watched = [];
  // Of five machines two may go: more than one, so that it is seen who stops at what.
  budget = budgetOf(0.4);
  controller = controllerWith(budget);
});

function budgetOf(share: number): RepairBudget {
  const elsewhere = async () => (await world.store.list(MachineHealthCheckKind)).flatMap(pastRemediations);
  return new RepairBudget({ store: world.store, elsewhere, limits: { share, windowMs: 3_600_000 } });
}

function controllerWith(of: RepairBudget): MachineHealthCheckReconciler {
  return new MachineHealthCheckReconciler({
    store: world.store,
    recorder: {
      event: (object, { reason, message }) => {
        world.events.push(`${object.kind} ${object.metadata.name}: ${reason} ${message}`);
      },
    },
    budget: of,
    metrics: new HealthCheckMetrics(metrics, () => watched),
    nodes: {
      of: async () => [...nodes].map(workloadNode),
      read: async () => {
        reads++;
        return [...(really ?? nodes)].map(workloadNode);
      },
    },
  });
}

function workloadNode([name, status]: [string, string]): WorkloadNode {
  const ready = { type: 'Ready', status, lastTransitionTime: LONG_AGO };
  return {
    name,
    uid: name,
    providerID: undefined,
    addresses: [],
    conditions: [ready],
    isUnschedulable: false,
  };
}

/** A set of so many machines that all have Nodes that are well. */
async function applyHealthy(replicas: number): Promise<string[]> {
  await world.applySet({ replicas });
  await world.settle();
  await world.holdMachines();
  const names = await world.names();
  for (const name of names) await giveNode(name);
  return names;
}

async function giveNode(name: string): Promise<void> {
  await world.patchStatus(name, { phase: 'Running', nodeRef: { name: `node-${name}` } });
  nodes.set(`node-${name}`, 'True');
}

function sicken(...names: string[]): void {
  for (const name of names) nodes.set(`node-${name}`, 'Unknown');
}

async function applyCheck(spec: object = {}, annotations: Record<string, string> = {}): Promise<void> {
  const whole = {
    selector: { matchLabels: { app: 'workers' } },
    unhealthyConditions: [{ type: 'Ready', status: 'Unknown', timeout: '5m' }],
    ...spec,
  };
  const metadata = { ...key('check'), annotations };
  const object = { apiVersion: API_VERSION, kind: 'MachineHealthCheck', metadata, spec: whole };
  admit(object);
  await world.store.apply(MachineHealthCheckKind, object as unknown as MachineHealthCheck, PERSON);
}

async function check(): Promise<MachineHealthCheck> {
  return (await world.store.get(MachineHealthCheckKind, key('check'))) as MachineHealthCheck;
}

async function condition(type: string): Promise<string> {
  const found = (await check()).status?.conditions?.find((one) => one.type === type);
  return `${found?.reason}: ${found?.message}`;
}

const reconcile = (of = controller) => of.reconcile(key('check'));

async function annotateMachine(name: string, annotation: string): Promise<void> {
  const machine = (await world.store.get(MachineKind, key(name))) as Machine;
  const metadata = { ...machine.metadata, annotations: { [annotation]: '' } };
  await world.store.update(MachineKind, { ...machine, metadata }, PERSON);
}

it('says how many machines are healthy, and does nothing, also not a second time', async () => {
  const names = await applyHealthy(3);
  await applyCheck({ maxUnhealthy: '40%' });
  expect(await reconcile()).toEqual({});
  expect((await check()).status).toMatchObject({
    expectedMachines: 3,
    currentHealthy: 3,
    remediationsAllowed: 1,
    targets: names,
    observedGeneration: 1,
    conditions: [
      { type: 'Ready', status: 'True', reason: 'AsSpecified' },
      { type: 'RemediationAllowed', status: 'True', reason: 'AsSpecified' },
    ],
  });
  const { resourceVersion } = (await check()).metadata;
  await reconcile();
  expect((await check()).metadata.resourceVersion).toBe(resourceVersion);
  expect(reads).toBe(0);
});

it('deletes an unhealthy machine, and only that; its set makes another', async () => {
  const [first = '', ...others] = await applyHealthy(5);
  await applyCheck();
  sicken(first);
  await reconcile();
  expect(await world.leaving()).toEqual([first]);
  expect(world.events).toContain(
    `MachineHealthCheck check: Remediated Machine ${first} is deleted to be replaced: Node Ready is Unknown for more than 5m`,
  );
  expect(await condition('Ready')).toBe(
    `MachinesUnhealthy: ${first}: Node Ready is Unknown for more than 5m; replaced`,
  );
  watched = [await check()];
  const of = 'namespace="default",name="check"';
  expect(metricValue(metrics.expose(), `caplv_health_check_remediations_total{${of}}`)).toBe(1);
  await world.remove(first);
  await world.settle();
  expect(await world.names()).toHaveLength(5);
  expect(await world.names()).toEqual(expect.arrayContaining(others));
});

it('comes back when a limit will have passed, not before', async () => {
  await world.applySet({ replicas: 1 });
  await world.settle();
  await applyCheck({ nodeStartupTimeout: '1h' });
  const { requeueAfterMs = 0 } = await reconcile();
  expect(requeueAfterMs).toBeGreaterThan(3_590_000);
  expect(requeueAfterMs).toBeLessThanOrEqual(3_600_000);
  expect(await condition('Ready')).toMatch(/^MachinesNotHealthy: workers-\w+: it has no Node yet$/);
});

describe('checks that delete nothing:', () => {
  it('a check of which more machines are unhealthy than maxUnhealthy allows', async () => {
    const [a = '', b = ''] = await applyHealthy(5);
    await applyCheck({ maxUnhealthy: '20%' });
    sicken(a, b);
    await reconcile();
    expect(await world.leaving()).toEqual([]);
    expect(await condition('RemediationAllowed')).toMatch(
      /^TooManyUnhealthy: 2 of 5 machines are not healthy, and maxUnhealthy is 20%/,
    );
    expect((await check()).status?.remediationsAllowed).toBe(0);
    const held = 'caplv_health_check_held{namespace="default",name="check",reason="TooManyUnhealthy"}';
    watched = [await check()];
    expect(metricValue(metrics.expose(), held)).toBe(1);
    nodes.set(`node-${a}`, 'True');
    await reconcile();
    expect(await world.leaving()).toEqual([b]);
    expect(await condition('RemediationAllowed')).toBe('AsSpecified: ');
    watched = [await check()];
    expect(metricValue(metrics.expose(), held)).toBe(0);
  });

  it('one whose repair budget is used up, until a person overrides it', async () => {
    const names = await applyHealthy(5);
    await applyCheck();
    sicken(...names.slice(0, 3));
    await reconcile();
    expect(await world.leaving()).toEqual([]);
    expect(await condition('RemediationAllowed')).toMatch(
      /^RepairsHeld: 3 of 5 machines of MachineSet workers/,
    );
    const set = await world.set();
    const annotations = { ...set.metadata.annotations, [PROCEED_UNTIL_ANNOTATION]: '2100-01-01T00:00:00Z' };
    await world.store.update(MachineSetKind, { ...set, metadata: { ...set.metadata, annotations } }, PERSON);
    await reconcile();
    expect(await world.leaving()).toEqual(names.slice(0, 3));
  });

  it('a restarted process, where the one before it had used up the budget', async () => {
    const names = await applyHealthy(5);
    await applyCheck();
    for (const name of names.slice(0, 2)) {
      sicken(name);
      await reconcile(controllerWith(budgetOf(0.4)));
      expect(await world.leaving()).toEqual([name]);
      await world.remove(name);
      await world.settle();
      for (const one of await world.names()) if (!names.includes(one)) await giveNode(one);
    }
    sicken(names[2] as string);
    await reconcile(controllerWith(budgetOf(0.4)));
    expect(await world.leaving()).toEqual([]);
    expect(await condition('RemediationAllowed')).toMatch(/^RepairsHeld/);
  });

  it('one whose watch is behind: the Node is well by now', async () => {
    const [first = ''] = await applyHealthy(5);
    await applyCheck();
    really = new Map(nodes);
    sicken(first);
    await reconcile();
    expect(await world.leaving()).toEqual([]);
    expect(reads).toBe(1);
  });

  it('one that cannot read the Nodes; and it says so', async () => {
    await applyHealthy(2);
    await applyCheck();
    const failure = new TransientError({ code: 'NodesUnreadable', message: 'no answer', fix: 'wait' });
    const blind = new MachineHealthCheckReconciler({
      store: world.store,
      recorder: { event: () => {} },
      budget,
      metrics: new HealthCheckMetrics(metrics, () => watched),
      nodes: { of: () => Promise.reject(failure), read: () => Promise.reject(failure) },
    });
    await expect(reconcile(blind)).rejects.toBe(failure);
    expect(await condition('Ready')).toBe('NodesUnreadable: no answer; wait');
    expect(await world.leaving()).toEqual([]);
  });

  it('a paused check', async () => {
    const [first = ''] = await applyHealthy(2);
    await applyCheck({}, { [PAUSED_ANNOTATION]: '' });
    sicken(first);
    await reconcile();
    expect(await world.leaving()).toEqual([]);
    expect(await condition('Ready')).toBe('Paused: ');
  });

  it('one of a Cluster that is paused', async () => {
    const [first = ''] = await applyHealthy(2);
    const metadata = { ...key('site'), annotations: { [PAUSED_ANNOTATION]: '' } };
    const cluster = { apiVersion: API_VERSION, kind: 'Cluster', metadata, spec: {} };
    await world.store.apply(ClusterKind, cluster as Cluster, PERSON);
    await applyCheck({ clusterName: 'site' });
    sicken(first);
    await reconcile();
    expect(await world.leaving()).toEqual([]);
    expect((await check()).status?.expectedMachines).toBe(0);
  });

  it.each([PAUSED_ANNOTATION, SKIP_REMEDIATION_ANNOTATION])(
    'one whose unhealthy machine has the annotation %s, and does not count it',
    async (annotation) => {
      const [first = ''] = await applyHealthy(2);
      await annotateMachine(first, annotation);
      await applyCheck();
      sicken(first);
      await reconcile();
      expect(await world.leaving()).toEqual([]);
      expect((await check()).status?.expectedMachines).toBe(1);
    },
  );

  it('one of another Cluster', async () => {
    const [first = ''] = await applyHealthy(2);
    await applyCheck({ clusterName: 'other' });
    sicken(first);
    await reconcile();
    expect(await world.leaving()).toEqual([]);
  });

  it('one whose unhealthy machine has data on a disk that is not to be lost: it is only reported', async () => {
    const disks = [{ name: 'data', sizeGB: 1 }];
    const { metadata, spec } = template();
    const withData = { metadata, spec: { providerSpec: { ...spec.providerSpec, disks } } };
    await world.applySet({ replicas: 1, template: withData });
    await world.settle();
    await world.holdMachines();
    const [name = ''] = await world.names();
    await giveNode(name);
    const base = { pool: 'default', volume: 'small' };
    const pinned = { uri: 'qemu:///system', domainType: 'qemu', imageURI: '/small', base } as const;
    await world.patchStatus(name, { providerStatus: { pinned } });
    await applyCheck();
    sicken(name);
    await reconcile();
    expect(await world.leaving()).toEqual([]);
    expect(await condition('Ready')).toContain(
      `not replaced: what is on its disk data would be lost; if it may: annotate it with ${APPROVE_DISKS_ANNOTATION}=data`,
    );
    const machine = await world.store.get(MachineKind, key(name));
    if (!machine) throw new Error('it is gone');
    const annotations = { ...machine.metadata.annotations, [APPROVE_DISKS_ANNOTATION]: 'data' };
    await world.store.update(
      MachineKind,
      { ...machine, metadata: { ...machine.metadata, annotations } },
      PERSON,
    );
    await reconcile();
    expect(await world.leaving()).toEqual([name]);
  });

  it('one whose unhealthy machine has no owner: it is only named', async () => {
    await world.applyMachine('pet', { app: 'pets' });
    await giveNode('pet');
    await applyCheck({ selector: { matchLabels: { app: 'pets' } } });
    sicken('pet');
    expect(await reconcile()).toEqual({ requeueAfterMs: 60_000 });
    expect(await world.names()).toEqual(['pet']);
    expect(await condition('Ready')).toBe(
      'MachinesUnhealthy: pet: Node Ready is Unknown for more than 5m; not replaced: it has no owner that would create another',
    );
    expect(world.events.filter((event) => event.includes('MachinesUnhealthy'))).toHaveLength(1);
    await reconcile();
    expect(world.events.filter((event) => event.includes('MachinesUnhealthy'))).toHaveLength(1);
  });

  it.each([
    ['is paused', { [PAUSED_ANNOTATION]: '' }],
    ['its MachineSet must not create another', { [DISABLE_CREATE_ANNOTATION]: 'true' }],
  ])('one of a set that would make no other: %s', async (why, annotations) => {
    const [first = ''] = await applyHealthy(2);
    await applyCheck();
    const set = await world.set();
    await world.store.update(MachineSetKind, { ...set, metadata: { ...set.metadata, annotations } }, PERSON);
    sicken(first);
    await reconcile();
    expect(await world.leaving()).toEqual([]);
    expect(await condition('Ready')).toContain(why);
  });

  it('one of a set that is about to delete a machine itself', async () => {
    const [first = ''] = await applyHealthy(2);
    await applyCheck();
    const set = await world.set();
    await world.store.update(MachineSetKind, { ...set, spec: { ...set.spec, replicas: 1 } }, PERSON);
    sicken(first);
    await reconcile();
    expect(await world.leaving()).toEqual([]);
    expect(await condition('Ready')).toContain('deletes some itself');
  });
});
