/** Verifies that a MachineDeployment of Cluster API scales and rolls virtual machines. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { Lab } from '../lab/lab.ts';
import { CapiWorld } from './capi-world.ts';
import { cluster, machineDeployment, workerBootstrap } from './manifests.ts';
import { release } from './release.ts';
import { runningMachines } from './running-machines.ts';

const poll = { timeout: 120_000, interval: 300 };
const INFRASTRUCTURE = 'infrastructure.cluster.x-k8s.io/v1alpha1';

let directory: string;
let lab: Lab;
let world: CapiWorld;
let controller: ControllerProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-release-'));
  lab = await Lab.up({ name: 'test-capi', fresh: true });
  world = await CapiWorld.up('one', { infrastructure: await release(directory) });
  controller = await startController();
});

afterAll(async () => {
  await controller?.stop();
  await world?.down();
  await lab?.down();
  await rm(directory, { recursive: true, force: true });
});

/** Starts the controller with the rights of the release. */
async function startController(): Promise<ControllerProcess> {
  const kubeconfig = await world.kube.serviceAccountKubeconfig('caplv-system', 'caplv-controller');
  return ControllerProcess.start({ ...lab.env(), CAPLV_KUBECONFIG: kubeconfig, CAPLV_ALLOW: 'everything' });
}

async function domains(): Promise<string[]> {
  const { stdout } = await execa('virsh', ['-q', '-c', lab.hosts[0]?.uri ?? '', 'list', '--all', '--name']);
  return stdout.split('\n').filter(Boolean);
}

const scale = (replicas: number) =>
  world.objects.patch('machinedeployments.cluster.x-k8s.io', 'md', { spec: { replicas } });

const template = (name: string, spec: object = {}) => ({
  apiVersion: INFRASTRUCTURE,
  kind: 'LibvirtMachineTemplate',
  metadata: { name, namespace: 'default' },
  spec: {
    template: {
      spec: {
        vcpu: 1,
        memoryMiB: 128,
        imageURI: lab.imagePath,
        running: false,
        shutdownTimeoutSeconds: 0,
        ...spec,
      },
    },
  },
});

it('a MachineDeployment of Cluster API grows to virtual machines and shrinks again, also when our controller is killed meanwhile', async () => {
  const { objects, workload } = world;
  await workload.joinTo(objects);
  await objects.apply(
    {
      apiVersion: INFRASTRUCTURE,
      kind: 'LibvirtCluster',
      metadata: { name: 'one', namespace: 'default' },
      spec: { uri: lab.hosts[0]?.uri, controlPlaneEndpoint: workload.endpoint },
    },
    cluster('one', 'LibvirtCluster'),
    template('md'),
    workerBootstrap('md'),
    machineDeployment('md', { cluster: 'one', machineKind: 'LibvirtMachine', replicas: 0 }),
  );
  await expect
    .poll(async () => (await objects.get('clusters.cluster.x-k8s.io', 'one'))?.status?.phase, poll)
    .toBe('Provisioned');
  expect(await domains()).toEqual([]);

  await scale(1);
  await expect.poll(() => runningMachines(world), poll).toBe(1);
  expect(await domains()).toHaveLength(1);

  await scale(3);
  await expect.poll(async () => (await objects.list('libvirtmachines')).length, poll).toBe(3);
  await controller.kill();
  controller = await startController();
  await expect.poll(() => runningMachines(world), poll).toBe(3);
  expect(await domains()).toHaveLength(3);

  await scale(1);
  await expect.poll(async () => (await domains()).length, poll).toBe(1);
  await expect.poll(async () => (await objects.list('libvirtmachines')).length, poll).toBe(1);
});

it('another template rolls the machines, and the deletion of the Cluster leaves nothing on the host', async () => {
  const { objects } = world;
  const [before] = await domains();
  await objects.apply(template('md-2', { memoryMiB: 160 }));
  const infrastructureRef = {
    apiGroup: 'infrastructure.cluster.x-k8s.io',
    kind: 'LibvirtMachineTemplate',
    name: 'md-2',
  };
  await objects.patch('machinedeployments.cluster.x-k8s.io', 'md', {
    spec: { template: { spec: { infrastructureRef } } },
  });
  await expect
    .poll(async () => {
      await runningMachines(world);
      const now = await domains();
      return now.length === 1 && now[0] !== before;
    }, poll)
    .toBe(true);

  await objects.delete('clusters.cluster.x-k8s.io', 'one');
  await expect.poll(() => objects.list('clusters.cluster.x-k8s.io'), poll).toEqual([]);
  expect(await domains()).toEqual([]);
  expect(await objects.list('libvirtmachines')).toEqual([]);
  expect(await objects.list('libvirtclusters')).toEqual([]);
});
