/**
 * Verifies that repairs and MachineHealthChecks bring machines back, also after people removed finalizers and owner
 * references.
 */

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApiObject } from './api-objects.ts';
import { LibvirtWorld, poll } from './libvirt-world.ts';
import { cluster, machineDeployment, workerBootstrap } from './manifests.ts';

let world: LibvirtWorld;

beforeAll(async () => {
  world = await LibvirtWorld.up('test-capi-remediation', 'one');
  const { objects, workload } = world.world;
  await workload.joinTo(objects);
  await objects.apply(
    world.libvirtCluster('one', { controlPlaneEndpoint: workload.endpoint }),
    cluster('one', 'LibvirtCluster'),
    world.template('md'),
    workerBootstrap('md'),
    machineDeployment('md', { cluster: 'one', machineKind: 'LibvirtMachine', replicas: 1 }),
    {
      apiVersion: 'cluster.x-k8s.io/v1beta2',
      kind: 'MachineHealthCheck',
      metadata: { name: 'md', namespace: 'default' },
      spec: {
        clusterName: 'one',
        selector: { matchLabels: { 'cluster.x-k8s.io/deployment-name': 'md' } },
        checks: {
          nodeStartupTimeoutSeconds: 0,
          unhealthyNodeConditions: [{ type: 'Ready', status: 'False', timeoutSeconds: 1 }],
        },
      },
    },
  );
}, 600_000);

afterAll(() => world?.down());

/** Registers the Node of each machine, as its kubelet would. Undefined: the one machine does not run yet, or there are two. */
async function runningMachine(): Promise<ApiObject | undefined> {
  const machines = await world.list('LibvirtMachine');
  await world.world.workload.registerNodes(machines);
  const [owner] = await world.list('Machine');
  return machines.length === 1 && owner?.status?.phase === 'Running' ? machines[0] : undefined;
}

const uuid = (name: string) => world.virsh(0, 'domuuid', `default.capi~${name}`).catch(() => '');

it('a destroyed virtual machine is started again by a repair, as long as its Node is not declared unhealthy', async () => {
  await expect.poll(runningMachine, poll).toBeDefined();
  const before = await runningMachine();
  const name = before?.metadata.name ?? '';
  const made = await uuid(name);
  await world.virsh(0, 'undefine', `default.capi~${name}`);
  await expect.poll(async () => ['', made].includes(await uuid(name)), poll).toBe(false);
  await world.says('LibvirtMachine', name, /^True/);
  expect((await runningMachine())?.metadata.uid).toBe(before?.metadata.uid);
});

it('a machine whose Node is declared unhealthy is replaced by the MachineHealthCheck, also when the controller is killed meanwhile', async () => {
  const name = (await runningMachine())?.metadata.name ?? '';
  const status = { conditions: [{ type: 'Ready', status: 'False' }] };
  await world.world.workload.objects.patch('nodes', name, { status }, 'status');
  await expect
    .poll(async () => (await world.get('LibvirtMachine', name))?.metadata.deletionTimestamp ?? 'gone', poll)
    .toBeTruthy();
  await world.crash();
  await expect.poll(async () => ((await runningMachine())?.metadata.name ?? name) !== name, poll).toBe(true);
  const now = await runningMachine();
  expect(await world.domains()).toEqual([`default.capi~${now?.metadata.name}`]);
});

/** Secrets with the state of a machine, and with the serials that are kept of it. */
const states = async (name: string) =>
  (await world.list('secrets')).filter(({ metadata }) =>
    metadata.name.startsWith(`tfstate-${name}-caplv-capi`),
  );

it('finalizers and owner references that were removed come back, and no machine is created again', async () => {
  const name = (await runningMachine())?.metadata.name ?? '';
  const made = await uuid(name);
  const ties = async () => {
    const objects = [await world.get('LibvirtMachine', name), await world.get('LibvirtCluster', 'one')];
    return [...objects, ...(await states(name))].map((one) => [
      (one?.metadata.finalizers ?? []).length,
      (one?.metadata.ownerReferences ?? []).map(({ kind }) => kind),
    ]);
  };
  const before = await ties();
  // The state, and its serials.
  const owned = [0, ['LibvirtMachine']];
  expect(before.slice(2).length).toBeGreaterThan(1);
  expect(before).toEqual([[1, ['Machine']], [1, ['Cluster']], ...before.slice(2).map(() => owned)]);
  // As upstream's reusable tests do: while the Cluster is paused.
  await world.patch('Cluster', 'one', { spec: { paused: true } });
  await expect.poll(() => world.condition('LibvirtMachine', name, 'Paused'), poll).toMatch(/^True/);
  const none = { metadata: { finalizers: null, ownerReferences: null } };
  await world.patch('LibvirtMachine', name, none);
  await world.patch('LibvirtCluster', 'one', none);
  for (const { metadata } of await states(name)) await world.patch('secrets', metadata.name, none);
  await world.patch('Cluster', 'one', { spec: { paused: false } });
  await expect.poll(ties, poll).toEqual(before);
  await world.says('LibvirtMachine', name, /^True/);
  expect(await uuid(name)).toBe(made);
});

it('the Cluster can be deleted, and nothing is left on the host', async () => {
  await world.delete('Cluster', 'one');
  await world.leavesNothing('one');
  expect(await world.domains()).toEqual([]);
});
